"""Lines of rankings as plain values: what JSON, CSV and tables of pandas have."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fesearch.metrics import METRICS
from fesearch.ranking.contender import Contender, Spread, of_validation
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Entry, Table
from fesearch.store.how import Trained
from fesearch.store.types import Effort

HOUR, MICRO = 3600.0, 1e6


def rows_of(table: Table | RepeatedTable) -> list[dict[str, Any]]:
    """A row for each line, from top to bottom."""
    if isinstance(table, RepeatedTable):
        return [contender_row(table, one, position) for position, one in table.ranked()]
    return [
        entry_row(table, line) if isinstance(line, Entry) else contender_row(table, line)
        for line in table.lines()
    ]


def entry_row(table: Table, entry: Entry) -> dict[str, Any]:
    """All there is to say about an entry, its key included."""
    key, trial, look = table.key, entry.trial, entry.look
    how = look.how if look else None
    validation = {**trial.scores, **(how.validation if how else {})}
    scores = dict(look.scores) if look else {}
    names = dict.fromkeys([key.metric, *METRICS])
    return {
        "position": entry.position,
        "study": trial.study,
        "trial": trial.number,
        "family": trial.family,
        "data": table.data,
        "split": key.split,
        **{f"val_{name}": validation.get(name) for name in names},
        f"val_{key.metric}": trial.value,
        "val_interval": list(interval) if (interval := of_validation(trial.scores)) else None,
        **{f"test_{name}": scores.get(name) for name in names},
        "test_interval": list(how.interval) if how and how.interval else None,
        "test_coverage": {k: list(pair) for k, pair in how.coverage.items()} if how else {},
        "trained": Trained.SEARCHED.value,
        "ties": entry.standing.ties if entry.standing else None,
        "p_next": entry.standing.p_next if entry.standing else None,
        **_spread("seeds", entry.by_seed),
        **_spread("joined", entry.joined),
        "seconds": trial.seconds,
        "value_unit": table.unit,
        "resource": trial.resource,
        "unit": trial.unit,
        "state": trial.state.value,
        "parameters": trial.parameters,
        "latency_us": how.latency * MICRO if how and how.latency else None,
        "config": dict(trial.config),
        "after_look": trial.after_look,
        **_effort([entry.effort]),
        **_common(table),
    }


def contender_row(
    table: Table | RepeatedTable, one: Contender, position: int | None = None
) -> dict[str, Any]:
    """All there is to say about a contender; the keys promised of every line among it.

    Args:
        position: over a repeated division, see ``RepeatedTable.ranked``; on one division none.
    """
    names = dict.fromkeys([table.key.metric, *METRICS])
    return {
        "position": position,
        "study": ", ".join(one.studies),
        "trial": one.trials[0][1] if len(one.trials) == 1 else None,
        "family": one.family,
        "data": table.data,
        "split": table.key.split,
        **_means("val", one.validation, names),
        "val_interval": list(one.val_interval) if one.val_interval else None,
        **_means("test", one.test, names),
        "test_interval": list(one.interval) if one.interval else None,
        "test_coverage": {level: list(pair) for level, pair in one.coverage.items()},
        "divisions": len(one.scores),
        "seeds_sd": one.by_seed,
        "seeds_count": one.seeds,
        "searched": one.searched.value,
        "searched_on": list(one.searched_on),
        "trained": one.trained.value,
        "flattered": one.flattered,
        "scores": dict(one.scores),
        "trials_scored": [list(trial) for trial in one.trials],
        "picks": dict(one.picks),
        "ties": one.standing.ties if one.standing else None,
        "p_next": one.standing.p_next if one.standing else None,
        "seconds": None,
        "value_unit": table.unit,
        "parameters": one.parameters,
        "latency_us": None if one.latency is None else one.latency * MICRO,
        "config": dict(one.configs[0]) if len(one.configs) == 1 else None,
        "configs": [dict(config) for config in one.configs],
        "after_look": one.after_look,
        **_effort(one.efforts),
        **_common(table),
    }


def picked(picks: Mapping[str, int]) -> str:
    """What an ensemble is of, what has the most weight first: nets:3 ×5, forests:1 ×3."""
    found = sorted(picks.items(), key=lambda pick: -pick[1])
    return ", ".join(f"{name} ×{count}" for name, count in found)


def _common(table: Table | RepeatedTable) -> dict[str, Any]:
    """What all lines of a ranking have in common."""
    return {
        "data_hash": table.key.data,
        "target": table.key.target,
        "metric": table.key.metric,
        "repeated": isinstance(table, RepeatedTable),
    }


def _means(part: str, scores: Mapping[str, Spread], names: Iterable[str]) -> dict[str, Any]:
    found = {f"{part}_{name}": scores.get(name) for name in names}
    return {name: spread.mean if spread else None for name, spread in found.items()} | {
        f"{name}_sd": spread.sd if spread else None for name, spread in found.items()
    }


def _effort(efforts: Sequence[Effort]) -> dict[str, Any]:
    """What was searched to find a model."""
    seconds = sum(one.seconds for one in efforts)
    gpu = sum(one.gpu_seconds for one in efforts)
    return {
        "trials": sum(one.trials for one in efforts),
        "search_seconds": seconds,
        "search_hours": seconds / HOUR,
        "search_gpu_hours": gpu / HOUR,
    }


def _spread(name: str, spread: Spread | None) -> dict[str, Any]:
    return {
        f"{name}_mean": spread.mean if spread else None,
        f"{name}_sd": spread.sd if spread else None,
        f"{name}_count": spread.count if spread else None,
    }
