"""How the model of a look came about, and what else is worth knowing of the look."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

_HEX = re.compile("[0-9a-f]+")


class Trained(StrEnum):
    """What a model that was scored had been trained on.

    SEARCHED is the model its trial left; AGAIN, its config trained anew on the training part;
    JOINED, on training and validation part for the resource found. ENSEMBLE is the mean of
    several models that trials left; ENSEMBLE_AGAIN, of their configs trained anew on the
    training part of another division, with the same weights, and ENSEMBLE_JOINED on training and
    validation part. FILE is the model its trial left,
    scored on rows of a labelled file, some of whose formulas are in the test part: its scores
    are of those rows alone. PREDICTED is no score: somebody predicted rows of a test part with
    an exported model.
    """

    SEARCHED = "as searched"
    AGAIN = "trained again"
    JOINED = "train + validation"
    ENSEMBLE = "ensemble"
    ENSEMBLE_AGAIN = "ensemble, trained again"
    ENSEMBLE_JOINED = "ensemble, train + validation"
    FILE = "rows of a file"
    PREDICTED = "predicted"

    @property
    def anew(self) -> bool:
        """It is no model that a trial left, but was trained after the search."""
        return self not in (
            *(Trained.SEARCHED, Trained.ENSEMBLE),
            *(Trained.FILE, Trained.PREDICTED),
        )

    @property
    def joined(self) -> bool:
        """It was trained on the validation part too."""
        return self in (Trained.JOINED, Trained.ENSEMBLE_JOINED)


class Searched(StrEnum):
    """Where its config was searched, as seen from the test rows that were looked at.

    EACH is on this division itself, ONCE on rows outside every test part of the repeated division,
    ELSEWHERE on rows of which some are test rows here: such a score flatters.
    """

    EACH = "each"
    ONCE = "once"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class How:
    """What a look says beside its scores; an older fesearch wrote none of it down.

    Attributes:
        over: fingerprint of the repeated division that it was one of, if it was.
        known: test rows that the search had trained or validated on.
        seed: of the training.
        n_train: rows that it was trained on.
        interval: of the test MAE, 95 %, from formulas drawn with replacement.
        latency: seconds to predict a row on one CPU thread, features not included.
        validation: metric -> score on the validation part; none where that was trained on.
        predictions: name of the file with the predictions, in the folder of the study.
        held: name of that with those of the validation rows, of a config trained anew without them.
        coverage: level of prediction intervals, as in "0.9" -> share of the test rows that were
            within theirs, and their mean width in the unit of the target.
        picks: of an ensemble, "STUDY:TRIAL" -> how often it was picked.
        asked: of rows that were predicted, which formulas of the test part they have; the bits of
            ``sealed.Met`` in hexadecimal digits.
        calls: in how many calls that was.
    """

    trained: Trained = Trained.SEARCHED
    searched: Searched = Searched.EACH
    over: str | None = None
    known: int = 0
    seed: int | None = None
    n_train: int | None = None
    interval: tuple[float, float] | None = None
    latency: float | None = None
    validation: Mapping[str, float | None] = field(default_factory=dict)
    predictions: str | None = None
    held: str | None = None
    coverage: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    picks: Mapping[str, int] = field(default_factory=dict)
    asked: str | None = None
    calls: int = 0

    @property
    def studies(self) -> tuple[str, ...]:
        """The studies of what was picked."""
        return tuple(dict.fromkeys(name.rpartition(":")[0] for name in self.picks))

    @property
    def trials(self) -> tuple[tuple[str, int], ...]:
        """(study, number) of what was picked."""
        names = (name.rpartition(":") for name in self.picks)
        return tuple((study, int(number)) for study, _, number in names if number.isdecimal())

    def plain(self) -> dict[str, Any]:
        """JSON types, what is left at its default or is no number not among them."""
        default = asdict(How())
        finite = {
            "interval": _interval(self.interval),
            "validation": _scores(self.validation),
            "coverage": _coverage(self.coverage),
        }
        return {k: v for k, v in {**asdict(self), **finite}.items() if v != default[k]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """What ``plain`` made; a value of another kind, from elsewhere, is as if it were not there.

        A word that this version does not know is no model as searched.
        """
        checks: dict[str, Callable[[Any], Any]] = {
            "trained": lambda v: Trained(v) if v in list(Trained) else Trained.PREDICTED,
            "searched": lambda v: Searched(v) if v in list(Searched) else Searched.ELSEWHERE,
            "over": _text,
            "known": lambda v: v if _whole(v) else 0,
            "seed": lambda v: v if _whole(v) else None,
            "n_train": lambda v: v if _whole(v) else None,
            "interval": _interval,
            "latency": _number,
            "validation": lambda v: _scores(v) if isinstance(v, dict) else {},
            "predictions": _text,
            "held": _text,
            "coverage": lambda v: _coverage(v) if isinstance(v, dict) else {},
            "picks": lambda v: _picks(v) if isinstance(v, dict) else {},
            "asked": lambda v: v if isinstance(v, str) and _HEX.fullmatch(v) else None,
            "calls": lambda v: v if _whole(v) else 0,
        }
        return cls(**{name: check(plain[name]) for name, check in checks.items() if name in plain})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> float | None:
    """The value if it is a finite number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _interval(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    low, high = map(_number, value)
    return None if low is None or high is None else (low, high)


def _scores(value: Mapping[str, Any]) -> dict[str, float | None]:
    return {str(name): _number(score) for name, score in value.items()}


def _coverage(value: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    pairs = {str(level): _interval(pair) for level, pair in value.items()}
    return {level: pair for level, pair in pairs.items() if pair is not None}


def _picks(value: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): count for name, count in value.items() if _whole(count)}
