"""Rankings as columns of words, for a page: under one key, and over a repeated division."""

from collections.abc import Mapping, Sequence
from typing import Any

from fesearch.analysis import Column, Table
from fesearch.family import amount
from fesearch.metrics import METRICS, Metric, title_of
from fesearch.ranking.lines import ensemble_row, picked, repeated_row, row_of
from fesearch.ranking.published import Publication, beside, mae_unit, rows_of
from fesearch.ranking.rank import Entry
from fesearch.ranking.rank import Table as Ranked
from fesearch.ranking.repeats import Contender, RepeatedTable, Spread
from fesearch.report.templates import cell
from fesearch.store.types import Look

SEALED = "sealed"
HOUR = 3600.0


def ranking(
    table: Ranked, most: int | None = None, publication: Publication | None = None
) -> dict[str, Any]:
    """What stands under one key, the best first, and what all of it has in common.

    Args:
        most: lines that are shown; None shows all.
        publication: values to be shown below it.
    """
    key, entries = table.summary.key, table.entries[:most]
    return {
        "table": Table(tuple(_kept(_columns(table, entries)))),
        "ensembles": _ensembles(table) if table.ensembles else None,
        "published": published(table, publication),
        "key": key,
        "data": table.data,
        "division": table.division,
        "looks": table.looks,
        "left": len(table.entries) - len(entries),
    }


def repeated(
    table: RepeatedTable, most: int | None = None, publication: Publication | None = None
) -> dict[str, Any]:
    """What was scored over a repeated division, the best first; see ``ranking``."""
    ones = table.contenders[:most]
    return {
        "table": Table(tuple(_kept(_repeated_columns(table, ones)))),
        "published": published(table, publication),
        "key": table.key,
        "data": table.data,
        "division": table.division,
        "members": len(table.members),
        "looks": table.looks,
        "left": len(table.contenders) - len(ones),
    }


def published(table: Ranked | RepeatedTable, publication: Publication | None) -> Table | None:
    """The published values that belong beside a ranking, the best first; None without any."""
    rows = rows_of(table, lines := beside(publication, table))
    columns = [
        Column("model", [row["family"] for row in rows]),
        Column("test MAE", [spread(line.test) for line in lines], mae_unit(table)),
        Column("divisions", [row["divisions"] for row in rows]),
        Column("source", [row["source"] for row in rows]),
        Column("note", [row["note"] for row in rows]),
    ]
    return Table(tuple(_kept(columns))) if rows else None


def _columns(table: Ranked, entries: Sequence[Entry]) -> list[Column]:
    title, unit = title_of(table.summary.key.metric), table.summary.unit
    standings, rows = [one.standing for one in entries], [row_of(table, one) for one in entries]
    return [
        Column("#", [one.position for one in entries]),
        Column("study", [one.trial.study for one in entries]),
        Column("trial", [one.trial.number for one in entries]),
        Column("family", [one.trial.family for one in entries]),
        Column(f"validation {title}", [one.trial.value for one in entries], unit),
        Column(f"test {title}", [SEALED if e.test is None else e.test for e in entries], unit),
        Column("95 % interval of MAE", [_interval(one.look) for one in entries], unit),
        Column(
            "90 % intervals cover",
            [_covered(one.look.how.coverage) if one.look else None for one in entries],
        ),
        Column("ties", [one.ties if one else None for one in standings]),
        Column("p to next", [one.p_next if one else None for one in standings]),
        *_others(table.summary.key.metric, unit, rows),
        Column(f"test {title}, trained again", [spread(one.by_seed) for one in entries], unit),
        Column(
            f"test {title}, trained on train + validation",
            [spread(one.joined) for one in entries],
            unit,
        ),
        Column("trained", [amount(one.trial.resource, one.trial.unit) for one in entries]),
        Column("parameters", [one.trial.parameters for one in entries]),
        Column("predicts a row in", [row["latency_us"] for row in rows], "µs"),
        Column("trials", [one.effort.trials for one in entries]),
        Column("search time", [one.effort.seconds for one in entries], "s"),
        Column("GPU", [one.effort.gpu_seconds / HOUR or None for one in entries], "h"),
        Column("config", [one.trial.config for one in entries]),
        Column(
            "note", ["searched after a look" if one.trial.after_look else None for one in entries]
        ),
    ]


def _ensembles(table: Ranked) -> Table:
    """The ensembles under a key that were looked at, the best by validation first."""
    metric, unit = table.summary.key.metric, table.summary.unit
    title = title_of(metric)
    looks, rows = table.ensembles, [ensemble_row(table, look) for look in table.ensembles]
    columns = [
        Column("study", [row["study"] for row in rows]),
        Column(f"validation {title}", [row[f"val_{metric}"] for row in rows], unit),
        Column(f"test {title}", [row[f"test_{metric}"] for row in rows], unit),
        Column("95 % interval of MAE", [_interval(look) for look in looks], unit),
        Column("90 % intervals cover", [_covered(look.how.coverage) for look in looks]),
        *_others(metric, unit, rows),
        Column("predicts a row in", [row["latency_us"] for row in rows], "µs"),
        Column("picks", [picked(look) for look in looks]),
        Column("look", [look.sequence for look in looks]),
    ]
    return Table(tuple(_kept(columns)))


def _repeated_columns(table: RepeatedTable, ones: Sequence[Contender]) -> list[Column]:
    title, unit = title_of(table.key.metric), table.unit
    rows = [repeated_row(table, place, one) for place, one in enumerate(ones, start=1)]
    return [
        Column("#", list(range(1, len(ones) + 1))),
        Column("study", [", ".join(dict.fromkeys(name for name, _ in o.trials)) for o in ones]),
        Column("family", [one.family for one in ones]),
        Column("searched", [one.searched.value for one in ones]),
        Column("trained", [one.trained.value for one in ones]),
        Column("divisions", [len(one.scores) for one in ones]),
        Column(
            f"validation {title}", [spread(o.validation.get(table.key.metric)) for o in ones], unit
        ),
        Column(f"test {title}", [spread(o.test.get(table.key.metric)) for o in ones], unit),
        Column("95 % interval of MAE", [_low_high(one.interval) for one in ones], unit),
        Column("90 % intervals cover", [_covered(one.coverage) for one in ones]),
        *(
            Column(
                f"{part} {metric.title}",
                [spread(scores.get(metric.name)) for scores in all_scores],
                metric.in_unit(unit),
            )
            for metric in _other_metrics(table.key.metric)
            for part, all_scores in (
                ("test", [one.test for one in ones]),
                ("validation", [one.validation for one in ones]),
            )
        ),
        Column("ties", [one.ties or None for one in ones]),
        Column("p to next", [one.p_next for one in ones]),
        Column("SD over seeds", [one.by_seed for one in ones], unit),
        Column("members seen in the search", [one.flattered or None for one in ones]),
        Column("parameters", [one.parameters for one in ones]),
        Column("predicts a row in", [row["latency_us"] for row in rows], "µs"),
        Column("trials", [sum(effort.trials for effort in one.efforts) for one in ones]),
        Column("search time", [sum(e.seconds for e in one.efforts) for one in ones], "s"),
        Column("GPU", [sum(e.gpu_seconds for e in o.efforts) / HOUR or None for o in ones], "h"),
    ]


def _others(metric: str, unit: str, rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Scores in the other metrics."""
    return [
        Column(
            f"{said} {one.title}", [row[f"{part}_{one.name}"] for row in rows], one.in_unit(unit)
        )
        for one in _other_metrics(metric)
        for part, said in (("test", "test"), ("val", "validation"))
    ]


def _other_metrics(metric: str) -> list[Metric]:
    return [METRICS[name] for name in METRICS if name != metric]


def _kept(columns: Sequence[Column]) -> list[Column]:
    """The columns that say anything."""
    return [one for one in columns if any(value is not None for value in one.values)]


def _interval(look: Look | None) -> str | None:
    return _low_high(look.how.interval) if look else None


def _low_high(interval: tuple[float, float] | None) -> str | None:
    return None if interval is None else " … ".join(map(cell, interval))


def _covered(coverage: Mapping[str, tuple[float, float]]) -> str | None:
    """The share of the test rows within their prediction intervals; nothing while sealed."""
    found = coverage.get("0.9")
    return None if found is None else f"{found[0]:.1%} of test rows"


def spread(found: Spread | None) -> str | None:
    """Mean ± standard deviation."""
    if found is None:
        return None
    return cell(found.mean) + ("" if found.sd is None else f" ± {found.sd:.2g}")
