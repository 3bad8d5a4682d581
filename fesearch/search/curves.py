"""Learning curves on record, to search again without training: those of studies, or the shipped.

``curves.json.gz`` beside this file was recorded by ``benchmarks/curves.py``: configs, validation
values, seconds; no row of data. It says itself where, by which commit and on which data.
"""

import gzip
import json
import logging
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from fesearch.errors import InputError
from fesearch.paths import atomic_write
from fesearch.record import Fault, Report, TrialResult, TrialState
from fesearch.search.prepare import archived_study
from fesearch.space import Choice, Config, Domain, Space, Value, When
from fesearch.store.results import Store
from fesearch.store.types import ReportRow, StudyRow
from fesearch.study import Study, from_keys

SHIPPED = Path(__file__).with_name("curves.json.gz")
_log = logging.getLogger(__name__)
_DIGITS = 5  # of a value that is written
_ABSENT = -9.0
_KEYS = ("family", "preset", "space", "max_epochs", "patience", "metric")


@dataclass(frozen=True)
class Curve:
    """A training on record.

    Attributes:
        values: (n,) the validation metric after each step; the last may be NaN or infinite.
        seconds: of a step, the median.
        parameters: trained numbers in the model at the end.
        diverged: why it could not go on after the last step; empty where it could.
        whole: it ended by itself, and was not stopped by others doing better.
    """

    config: Config
    values: tuple[float, ...]
    seconds: float
    parameters: int
    diverged: str = ""
    whole: bool = True


@dataclass(frozen=True)
class Curves:
    """The curves of one study: one family, one space, one division.

    Attributes:
        name: of the study.
        study: its settings.
        unit: of the values.
        data: content hash of the data; ``split`` is the division as typed.
        origin: where they were recorded, in words.
    """

    name: str
    study: Study
    unit: str
    data: str
    split: str
    curves: tuple[Curve, ...]
    origin: str = ""

    @cached_property
    def space(self) -> Space:
        """That configs come from."""
        return self.study.search_space()

    @property
    def cut(self) -> int:
        """How many of them were stopped early, so that nobody knows how they would have ended."""
        return sum(not curve.whole for curve in self.curves)

    def nearest(self, config: Config, among: np.ndarray | None = None) -> int:
        """The place of a config among ``curves``, or of the recorded one that is most like it.

        Numbers differ by their distance in units of their range, in its logarithm where the space
        has that; choices, and a parameter that only one of both has, by 1.

        Args:
            among: (curves,) which of them are asked for; all by default.
        """
        if among is None and (place := self._exact.get(written(config))) is not None:
            return place
        asked = np.array([code(config) for code in self._coders])
        apart = np.minimum(np.abs(self._codes - asked), 1.0).sum(axis=1)
        return int((apart if among is None else np.where(among, apart, np.inf)).argmin())

    def trace(self, place: int) -> "Trace":
        """What a trial of the curve at a place says, step by step."""
        return self._traces[place]

    @cached_property
    def _exact(self) -> dict[str, int]:
        return {written(curve.config): place for place, curve in enumerate(self.curves)}

    @cached_property
    def _coders(self) -> list[Callable[[Config], float]]:
        """For each parameter what makes a number of its value; see ``_coder``."""
        entries = self.space.parameters.items()
        return [
            _coder(name, entry.domain if isinstance(entry, When) else entry)
            for name, entry in entries
        ]

    @cached_property
    def _codes(self) -> np.ndarray:
        """(curves, parameters) numbers of the recorded configs."""
        return np.array([[code(one.config) for code in self._coders] for one in self.curves])

    @cached_property
    def _traces(self) -> "list[Trace]":
        step = self.study.declared_family().resource.step
        sign = 1.0 if self.study.declared_metric().direction == "minimize" else -1.0
        return [Trace(curve, step, sign) for curve in self.curves]


class Trace:
    """The reports of a curve; one that was cut goes on at its last value.

    Args:
        step: resource of a step.
        sign: 1.0 where smaller values are better, else -1.0.
    """

    def __init__(self, curve: Curve, step: int, sign: float) -> None:
        self.seconds = curve.seconds
        self._curve = curve
        self._step = step
        self._made: list[Report] = []
        best: float | None = None
        best_resource: int | None = None
        for place, value in enumerate(curve.values, 1):
            ruined = bool(curve.diverged) and place == len(curve.values)
            if not ruined and (best is None or sign * value < sign * best):
                best, best_resource = value, place * step
            self._add(place, value, best, best_resource)

    def _add(self, place: int, raw: float, best: float | None, best_resource: int | None) -> None:
        """Note the report after so many steps."""
        curve = self._curve
        over = place == len(curve.values) and curve.whole
        self._made.append(
            Report(
                member=0,
                resource=place * self._step,
                raw=raw,
                best=best,
                best_resource=best_resource,
                seconds=place * curve.seconds,
                parameters=curve.parameters,
                diverged=(curve.diverged or None) if over else None,
                last=over,
            )
        )

    def after(self, place: int) -> Report:
        """The report after so many steps, from 1."""
        while place > len(self._made):
            last = self._made[-1]
            self._add(len(self._made) + 1, last.raw, last.best, last.best_resource)
        return self._made[place - 1]


def written(config: Config) -> str:
    """A config as a text that another one has only if it is the same."""
    return json.dumps(dict(config), sort_keys=True)


def recorded(name: str, url: str) -> list[Curves]:
    """The curves of a study of the store; of a search over many families, those of each.

    Families of it that have none are left out, with a line in the log.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: none of its trials has ended and told of its config.
    """
    with Store.look(url) as store:
        rows = store.named([name])
        found = {row.name: _recorded(store, row) for row in rows}
    there = [one for one in found.values() if one is not None]
    none = "has no curve to replay: no trial of its space has ended by itself."
    if not there:
        hint = f"See why: fesearch trials {rows[0].name}"
        raise InputError(f"The study '{name}' {none}", hint)
    for left_out in (study for study, one in found.items() if one is None):
        _log.warning("The study '%s' %s", left_out, none)
    return there


def _recorded(store: Store, row: StudyRow) -> Curves | None:
    """The curves of one study; None where it has none."""
    study = archived_study(row)
    if row.definition.get("asked", {}).get("first") == []:  # its family's starts, not its own
        study = study.model_copy(update={"first": []})
    space = study.search_space()
    steps: dict[int, list[ReportRow]] = {}
    for report in store.reports(row):
        steps.setdefault(report.number, []).append(report)
    curves = tuple(
        _curve(result, steps[result.number])
        for result in store.trials(row)
        if _tells(result) and result.number in steps and _inside(space, result.config)
    )
    if not curves:
        return None
    name, key = row.name, row.key
    return Curves(name, study, row.unit, key.data, str(study.split_spec()), curves, f"study {name}")


def write(tables: Sequence[Curves], to: Path, *, commit: str, device: str) -> None:
    """Write curves of several studies into one file, with where they are from."""
    content = {"commit": commit, "device": device, "studies": [_written(one) for one in tables]}
    text = json.dumps(content, separators=(",", ":"))
    with atomic_write(to) as partial:
        partial.write_bytes(gzip.compress(text.encode(), mtime=0))


def read(path: Path = SHIPPED) -> list[Curves]:
    """The curves of a file that ``write`` wrote.

    Raises:
        InputError: it is none, or a config or value in it is wrong.
    """
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        origin = f"{content['device']}, commit {content['commit']}"
        return [_read(one, origin) for one in content["studies"]]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"'{path}' is no file of curves: {type(error).__name__}: {error}.",
            "Record one: python benchmarks/curves.py --help",
        ) from None


def _written(table: Curves) -> dict[str, Any]:
    study = table.study.model_dump(mode="json")
    return {
        "name": table.name,
        "study": {key: study[key] for key in _KEYS},
        "unit": table.unit,
        "data": table.data,
        "split": table.split,
        "curves": [
            {
                "config": dict(curve.config),
                "values": [_rounded(v) if math.isfinite(v) else None for v in curve.values],
                "seconds": _rounded(curve.seconds),
                "parameters": curve.parameters,
                **({"diverged": curve.diverged} if curve.diverged else {}),
                **({} if curve.whole else {"whole": False}),
            }
            for curve in table.curves
        ],
    }


def _read(given: Mapping[str, Any], origin: str) -> Curves:
    name = str(given["name"])
    study = from_keys({"name": name, **given["study"], "split": given["split"]}, name)
    space = study.search_space()
    curves = []
    for one in given["curves"]:
        space.check(one["config"])
        values = tuple(math.nan if v is None else float(v) for v in one["values"])
        seconds = float(one["seconds"])
        diverged, whole = str(one.get("diverged", "")), one.get("whole", True) is True
        finite = values[:-1] if diverged else values
        if not values or not all(map(math.isfinite, finite)) or not 0 < seconds < math.inf:
            raise ValueError(f"the curve of {one['config']} lacks values, or takes no time")
        curves.append(
            Curve(one["config"], values, seconds, int(one["parameters"]), diverged, whole)
        )
    if not curves:
        raise ValueError(f"'{given['name']}' has no curves")
    return Curves(
        study.name,
        study,
        str(given["unit"]),
        str(given["data"]),
        str(given["split"]),
        tuple(curves),
        origin,
    )


def _curve(result: TrialResult, reports: Sequence[ReportRow]) -> Curve:
    seconds = [0.0, *(report.seconds for report in reports)]
    steps = [after - before for before, after in pairwise(seconds)]
    return Curve(
        config=result.config,
        values=tuple(report.raw for report in reports),
        seconds=max(median(steps), 1e-6),
        parameters=result.parameters or 0,
        diverged=result.reason.removeprefix("diverged: ") if _diverged(result) else "",
        whole=result.state is not TrialState.PRUNED,
    )


def _tells(result: TrialResult) -> bool:
    """Whether it ended by what its config is; one that goes on from another has half a curve."""
    return (result.state.usable or _diverged(result)) and result.parent is None


def _inside(space: Space, config: Config) -> bool:
    """Whether it is of the space; one that was enqueued need not be."""
    try:
        space.check(config)
    except InputError:
        return False
    return True


def _diverged(result: TrialResult) -> bool:
    return result.fault is Fault.DIVERGED


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _coder(name: str, domain: Domain) -> Callable[[Config], float]:
    """A function of configs: where the parameter lies in its range, from 0 to 1.

    Choices that are no numbers are at 0, 1, 2 …, and one that is not there far from all others.
    """
    if isinstance(domain, Choice):
        places = _places(domain.options)
        return lambda config: places[config[name]] if name in config else _ABSENT
    low, high = float(domain.low), float(domain.high)
    if domain.log:
        low, high = math.log(low), math.log(high)
    width = high - low or 1.0

    def place(config: Config) -> float:
        if name not in config:
            return _ABSENT
        value = config[name]
        assert isinstance(value, int | float)
        return ((math.log(value) if domain.log else float(value)) - low) / width

    return place


def _places(options: Sequence[Value]) -> dict[Value, float]:
    numbers = [one for one in options if isinstance(one, int | float) and type(one) is not bool]
    if len(numbers) < len(options):
        return {option: float(place) for place, option in enumerate(options)}
    return {one: place / max(len(numbers) - 1, 1) for place, one in enumerate(sorted(numbers))}
