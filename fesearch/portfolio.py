"""One search over many families: a study of each, and one budget that they share.

Its keys are those of a study file, with ``families`` in place of ``family``. Each family has a
study of its own on the same division, called ``NAME-FAMILY``, so all that can be done with a study
can be done with each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fesearch.duration import duration
from fesearch.errors import InputError, quoted
from fesearch.family import FAMILIES
from fesearch.own import run_files
from fesearch.study import Study, checked

MOST = 10_000
"""Trials of a family that shares time, unless ``trials`` says otherwise."""
LIKELY = 100
"""Trials that sampler and rungs are settled for where families share time."""
COMMON = (
    "name",
    "family",
    "families",
    "data",
    "target",
    "split",
    "metric",
    "time_limit",
    "address",
)
"""Keys that are the same for all families, so that they can be compared, and share one Ray."""
BUDGET = ("time_limit", "trials")
"""Keys of the budget, which may change once the search is there."""
LIMIT = "trial_time_limit"
TURNS_OF_A_TRIAL = 6
"""A trial takes no more than this part of a time limit: one that never ends could not be ranked."""
OF_EPOCHS = ("max_epochs", "grace", "patience")
OF_GPUS = ("gpus", "gpus_per_trial")
"""Keys that are said of families that count epochs, or use GPUs, and left out of the others."""


@dataclass(frozen=True)
class Portfolio:
    """Families that are searched under one budget.

    Attributes:
        name: of the search; that of each study begins with it.
        studies: family -> its study, none with a time limit of its own.
        seconds: what all may take together; None where ``trials`` is the budget.
        trials: how many configs all may try together; None where ``seconds`` is.
        keys: as they were given, from which the same portfolio can be made again.
    """

    name: str
    studies: Mapping[str, Study]
    seconds: float | None
    trials: int | None
    keys: Mapping[str, Any]

    @property
    def budget(self) -> float:
        """In seconds, or in trials."""
        return float(self.trials or 0) if self.seconds is None else self.seconds

    @property
    def settled_for(self) -> int:
        """Trials that samplers and rungs are to suit: a family gets more from turn to turn."""
        return LIKELY if self.trials is None else self.trials

    @property
    def families(self) -> tuple[str, ...]:
        """Their full names, in the order given."""
        return tuple(self.studies)


def of_keys(keys: Mapping[str, Any], source: str) -> Portfolio:
    """The portfolio that a study file with ``families`` describes.

    With ``time_limit`` the families share the time, and ``trials`` is what each may have at most;
    without, they share ``trials``. ``each.FAMILY`` holds keys of one family. The files in ``own``
    are run, and known by their absolute paths.

    Raises:
        InputError: a key is unknown or wrong, no budget is given, a family is named twice, or a
            file cannot be run.
    """
    keys = {**keys, **_own(keys.get("own"))}
    rest = dict(keys)
    families = _families(rest.pop("families"), source)
    if "family" in rest:
        raise InputError(
            f"The study '{source}' has both family = {rest['family']!r} and families.",
            "Leave one of them out; --families goes with a study file without a family, such as "
            "all_families.",
        )
    if (earlier := rest.get("warm_start")) is not None and len(families) > 1:
        raise InputError(
            f"The study '{source}' has warm_start = {earlier}, which is of one family, and "
            f"{len(families)} families.",
            f"Say it of that one alone, as in --set each.{families[0]}.warm_start={earlier}",
        )
    each = rest.pop("each", {})
    if not isinstance(each, Mapping) or not all(isinstance(one, Mapping) for one in each.values()):
        raise InputError(
            f"The study '{source}' has each = {each!r}.",
            "Write a table for a family, as in [each.irnet].",
        )
    for family in each:
        FAMILIES.get(FAMILIES.full_name(family))
        for key in COMMON:
            if key in each[family]:
                raise InputError(
                    f"The study '{source}' has each.{family}.{key}, but all families share {key}.",
                    f"Say {key} once, for all of them.",
                )
    limit, trials = rest.pop("time_limit", None), rest.pop("trials", None)
    if limit is None and trials is None:
        raise InputError(
            f"The study '{source}' has no budget for its {len(families)} families to share.",
            "Give --time-limit 2h, or --trials 200.",
        )
    rest["trials"] = MOST if trials is None else trials
    seconds = None if limit is None else duration(limit)
    if seconds is not None:
        rest.setdefault(LIMIT, f"{max(seconds / TURNS_OF_A_TRIAL, 1):.0f}s")
    name = rest.pop("name")
    studies = {}
    for family in families:
        own = _fitting(rest, family) | dict(each.get(family, {}))
        study = checked({**own, "name": f"{name}-{family}", "family": family}, source)
        studies[study.family] = study
    return Portfolio(name, studies, seconds, None if seconds else trials, dict(keys))


def _own(files: Any) -> dict[str, list[str]]:
    """The files of the user's own, run; what is no list of paths is refused with the other keys."""
    if not files or not isinstance(files, list) or not all(isinstance(one, str) for one in files):
        return {}
    return {"own": [str(declared.source.path) for declared in run_files(files)]}


def _families(given: Any, source: str) -> tuple[str, ...]:
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
        raise InputError(
            f"The study '{source}' has families = {given!r}.",
            'Write a list, as in families = ["irnet", "xgboost"], or --families irnet,xgboost.',
        )
    names = [name.strip() for name in names]
    for name in names:
        FAMILIES.get(FAMILIES.full_name(name))
        if names.count(name) > 1:
            raise InputError(
                f"The study '{source}' has the family {quoted(name)} twice.", "Name it once."
            )
    return tuple(names)


def _fitting(keys: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The keys that a family has a meaning for."""
    family = FAMILIES.get(FAMILIES.full_name(name))
    epochs = OF_EPOCHS if family.resource.unit == "epochs" else ()
    fitting = {*epochs, *(OF_GPUS if family.gpu else ())}
    others = {*OF_EPOCHS, *OF_GPUS} - fitting
    return {key: value for key, value in keys.items() if key not in others}
