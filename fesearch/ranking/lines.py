"""Lines of rankings as plain values: what JSON, CSV and tables of pandas have."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fesearch.metrics import METRICS
from fesearch.ranking.rank import Entry, Table
from fesearch.ranking.repeats import ENSEMBLE, Contender, RepeatedTable, Spread
from fesearch.store.types import Effort, Look

HOUR, MICRO = 3600.0, 1e6


def row_of(table: Table, entry: Entry) -> dict[str, Any]:
    """All there is to say about an entry, its key included."""
    key, trial, look = table.summary.key, entry.trial, entry.look
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
        **{f"test_{name}": scores.get(name) for name in names},
        "test_interval": list(how.interval) if how and how.interval else None,
        "test_coverage": {k: list(pair) for k, pair in how.coverage.items()} if how else {},
        "ties": entry.standing.ties if entry.standing else None,
        "p_next": entry.standing.p_next if entry.standing else None,
        **_spread("seeds", entry.by_seed),
        **_spread("joined", entry.joined),
        "seconds": trial.seconds,
        "value_unit": table.summary.unit,
        "resource": trial.resource,
        "unit": trial.unit,
        "state": trial.state.value,
        "parameters": trial.parameters,
        "latency_us": how.latency * MICRO if how and how.latency else None,
        "config": dict(trial.config),
        "after_look": trial.after_look,
        **_effort([entry.effort]),
        "data_hash": key.data,
        "target": key.target,
        "metric": key.metric,
        "repeated": False,
    }


def rows_of(table: Table) -> list[dict[str, Any]]:
    """A row for each entry, and for each ensemble that was looked at."""
    return [row_of(table, entry) for entry in table.entries] + [
        ensemble_row(table, look) for look in table.ensembles
    ]


def ensemble_row(table: Table, look: Look) -> dict[str, Any]:
    """All there is to say about an ensemble, which has no position; the promised keys among it."""
    key, how = table.summary.key, look.how
    names = dict.fromkeys([key.metric, *METRICS])
    return {
        "position": None,
        "study": ", ".join(how.studies),
        "trial": None,
        "family": ENSEMBLE,
        "data": table.data,
        "split": key.split,
        **{f"val_{name}": how.validation.get(name) for name in names},
        **{f"test_{name}": look.scores.get(name) for name in names},
        "test_interval": list(how.interval) if how.interval else None,
        "test_coverage": {level: list(pair) for level, pair in how.coverage.items()},
        "picks": dict(how.picks),
        "seconds": None,
        "value_unit": table.summary.unit,
        "latency_us": how.latency * MICRO if how.latency else None,
        "data_hash": key.data,
        "target": key.target,
        "metric": key.metric,
        "repeated": False,
    }


def picked(look: Look) -> str:
    """What an ensemble is of, what has the most weight first: nets:3 ×5, forests:1 ×3."""
    picks = sorted(look.how.picks.items(), key=lambda pick: -pick[1])
    return ", ".join(f"{name} ×{count}" for name, count in picks)


def repeated_row(table: RepeatedTable, position: int, one: Contender) -> dict[str, Any]:
    """All there is to say about a contender; the keys promised of every line among it."""
    key = table.key
    names = dict.fromkeys([key.metric, *METRICS])
    return {
        "position": position,
        "study": ", ".join(dict.fromkeys(study for study, _ in one.trials)),
        "trial": one.trials[0][1] if len(one.trials) == 1 else None,
        "family": one.family,
        "data": table.data,
        "split": key.split,
        **_means("val", one.validation, names),
        **_means("test", one.test, names),
        "test_interval": list(one.interval) if one.interval else None,
        "test_coverage": {level: list(pair) for level, pair in one.coverage.items()},
        "divisions": len(one.scores),
        "seeds_sd": one.by_seed,
        "seeds_count": one.seeds,
        "searched": one.searched.value,
        "trained": one.trained.value,
        "flattered": one.flattered,
        "scores": dict(one.scores),
        "trials_scored": [list(trial) for trial in one.trials],
        "ties": one.ties or None,
        "p_next": one.p_next,
        "seconds": None,
        "value_unit": table.unit,
        "parameters": one.parameters,
        "latency_us": None if one.latency is None else one.latency * MICRO,
        **_effort(one.efforts),
        "data_hash": key.data,
        "target": key.target,
        "metric": key.metric,
        "repeated": True,
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
