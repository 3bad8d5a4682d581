"""Warm starts: what an earlier study of the same family found is where a new one begins."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fesearch.errors import InputError
from fesearch.record import Fault, TrialResult, TrialState
from fesearch.search.prepare import Prepared
from fesearch.space import Config, Space, Value
from fesearch.store.results import Store
from fesearch.store.types import StudyRow
from fesearch.study import Study

MOST = 10
"""Configs of the earlier study that are tried first."""


@dataclass(frozen=True)
class Earlier:
    """A study that another one starts from."""

    row: StudyRow
    results: tuple[TrialResult, ...]

    def configs(self, space: Space) -> list[dict[str, Value]]:
        """Its best configs, the best first; the nearest to them in ``space``, each once."""
        sign = 1.0 if self.row.direction == "minimize" else -1.0
        scored = [(r.value, r) for r in self.results if r.state.usable and r.value is not None]
        scored.sort(key=lambda pair: (sign * pair[0], pair[1].number))
        nearest = (space.nearest(result.config) for _, result in scored)
        distinct = {json.dumps(config, sort_keys=True): config for config in nearest}
        return list(distinct.values())[:MOST]

    def priors(self, prepared: Prepared) -> list[dict[str, Any]]:
        """Its trials as a study of the same key records them; none for any other study."""
        if prepared.key != self.row.key:
            return []
        return [
            {
                "number": result.number,
                "config": dict(result.config),
                "value": result.value,
                "resource": result.resource,
                "state": result.state.value,
            }
            for result in self.results
            if _tells(result) and _inside(prepared.space, result.config)
        ]


def earlier(study: Study, name: str, store: Store) -> Earlier:
    """The study of that name, for ``study`` to start from.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: it is of another family, or has no usable trial.
    """
    row = store.study(name)
    family = row.definition["study"]["family"]
    if family != study.family:
        raise InputError(
            f"'{study.name}' cannot start from '{row.name}': that is of {family}, and this of "
            f"{study.family}.",
            "Give --warm-start a study of the same family (fesearch study list).",
        )
    found = Earlier(row, tuple(store.trials(row)))
    if not found.configs(study.search_space()):
        raise InputError(
            f"'{study.name}' cannot start from '{row.name}', which has no usable trial.",
            f"See why: fesearch trials {row.name}; or leave --warm-start out.",
        )
    return found


def priors(row: StudyRow) -> Iterator[TrialResult]:
    """The trials of an earlier study that a study recorded when it was started."""
    for one in row.definition.get("priors", []):
        state = TrialState(one["state"])
        yield TrialResult(
            number=one["number"],
            family=row.definition["study"]["family"],
            config=one["config"],
            seed=0,
            state=state,
            value=one["value"],
            resource=one["resource"],
            fault=Fault.DIVERGED if state is TrialState.FAIL else None,
        )


def _tells(result: TrialResult) -> bool:
    """Whether a trial tells of its config: it has a value, or diverged."""
    scored = result.state.usable and result.value is not None
    return scored or result.fault is Fault.DIVERGED


def _inside(space: Space, config: Config) -> bool:
    try:
        space.check(config)
    except InputError:
        return False
    return True
