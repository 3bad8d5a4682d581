"""Rankings and lists of studies as Python and notebooks show them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from fesearch import notebook
from fesearch.errors import counted, quoted
from fesearch.metrics import title_of
from fesearch.ranking import rank
from fesearch.ranking.lines import picked, repeated_row, rows_of
from fesearch.ranking.repeats import RepeatedTable
from fesearch.store.types import Look, StudySummary

if TYPE_CHECKING:
    import pandas as pd

    from fesearch.ranking.published import Publication


class Ranking(tuple[rank.Table, ...]):
    """Tables of what was trained on identical divisions, as ``fesearch rank`` prints them.

    Attributes:
        repeated: those over repeated divisions whose test parts were looked at.
        beside: published values, shown below the rankings of their divisions; None without.
    """

    repeated: tuple[RepeatedTable, ...]
    beside: "Publication | None"

    def __new__(
        cls,
        tables: Iterable[rank.Table],
        repeated: Iterable[RepeatedTable] = (),
        beside: "Publication | None" = None,
    ) -> Self:
        made = super().__new__(cls, tables)
        made.repeated, made.beside = tuple(repeated), beside
        return made

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each entry of every table; see ``rows``."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """All that ``fesearch rank --format json`` says.

        That is each entry and each ensemble that was looked at, those over repeated divisions, and
        published values. A score on the test part is None while that is sealed.
        """
        from fesearch.ranking import published

        found = [row for table in self for row in rows_of(table)]
        for table in self.repeated:
            found += [repeated_row(table, at, one) for at, one in enumerate(table.contenders, 1)]
        for every in (*self, *self.repeated):
            found += published.rows_of(every, published.beside(self.beside, every))
        return found

    def __repr__(self) -> str:
        return "\n".join([*map(_brief, self), *map(_brief_repeated, self.repeated)])

    def _repr_html_(self) -> str:
        single = (_entries(one) + _ensembles(one) + self._published(one) for one in self)
        over = (_contenders(one) + self._published(one) for one in self.repeated)
        return "".join([*single, *over])

    def _published(self, table: rank.Table | RepeatedTable) -> str:
        """The published values of a ranking's division; nothing where there are none."""
        from fesearch.ranking.published import beside, mae_unit

        heading = f"test MAE {in_brackets(mae_unit(table))}".rstrip()
        rows = [
            {"model": one.name, heading: one.test, "source": one.source}
            for one in beside(self.beside, table)
        ]
        title = "Published values; none was run here, or is part of a test or tie"
        return notebook.table(title, rows) if rows else ""


def _brief(table: rank.Table) -> str:
    """A ranking in one line: how many there are, and which is best."""
    best, count = table.entries[0], len(table.entries)
    title, unit = title_of(table.summary.key.metric), table.summary.unit
    said = (
        f"{count} {'entry' if count == 1 else 'entries'} on {table.division.spec}, best "
        f"{best.trial.family} (trial {best.trial.number} of {quoted(best.trial.study, 80)}), "
        f"validation {title} {notebook.text(best.trial.value)} {unit}"
    )
    more = len(table.ensembles)
    joint = f", {counted(more, 'ensemble')}" if more else ""
    return notebook.brief(
        "ranking", f"{table.data}, {table.summary.key.target}", f"{said.rstrip()}{joint}"
    )


def _brief_repeated(table: RepeatedTable) -> str:
    """A ranking over a repeated division in one line."""
    best, count = table.contenders[0], len(table.contenders)
    title = title_of(table.key.metric)
    said = (
        f"{counted(count, 'contender')} on {table.division.spec}, first {best.family}, "
        f"test {title} {best.test.get(table.key.metric)} {table.unit}"
    )
    what = f"{table.data}, {table.key.target}"
    return notebook.brief("ranking over divisions", what, said.rstrip())


def _contenders(table: RepeatedTable) -> str:
    """A ranking over a repeated division."""
    unit, metric = in_brackets(table.unit), table.key.metric
    title = title_of(metric)
    return notebook.table(
        f"{table.data}, {table.key.target}: mean ± SD over {table.division.spec}",
        [
            {
                "#": position,
                "study": ", ".join(dict.fromkeys(study for study, _ in one.trials)),
                "family": one.family,
                "searched": one.searched.value,
                "trained": one.trained.value,
                "divisions": len(one.scores),
                f"validation {title} {unit}".rstrip(): one.validation,
                f"test {title} {unit}".rstrip(): one.test.get(metric),
                "95 % interval of MAE": _low_high(one.interval),
                "ties": one.ties,
                "parameters": one.parameters,
            }
            for position, one in enumerate(table.contenders, 1)
        ],
    )


def _entries(table: rank.Table) -> str:
    return notebook.table(
        f"{table.data}, {table.summary.key.target}: {table.division.spec}",
        [
            {
                "#": entry.position,
                "study": entry.trial.study,
                "trial": entry.trial.number,
                "family": entry.trial.family,
                _heading("validation", table): entry.trial.value,
                _heading("test", table): "sealed" if entry.test is None else entry.test,
                **_compared(table, entry),
                "parameters": entry.trial.parameters,
                "trials": entry.effort.trials,
                "config": entry.trial.config,
            }
            for entry in table.entries
        ],
    )


def _ensembles(table: rank.Table) -> str:
    """The ensembles that were looked at; nothing where there are none."""
    metric = table.summary.key.metric
    rows = [
        {
            "study": ", ".join(look.how.studies),
            _heading("validation", table): look.how.validation.get(metric),
            _heading("test", table): look.scores.get(metric),
            "95 % interval of MAE": _interval(look),
            "picks": picked(look),
        }
        for look in table.ensembles
    ]
    title = "Ensembles; picked on the rows that validate, so that this score flatters"
    return notebook.table(title, rows) if rows else ""


def _interval(look: Look | None) -> str | None:
    return _low_high(look.how.interval if look else None)


def _low_high(interval: tuple[float, float] | None) -> str | None:
    return interval and " … ".join(map(notebook.text, interval))


def _compared(table: rank.Table, entry: rank.Entry) -> dict[str, Any]:
    """Interval and ties, where any entry of the table has them."""
    found: dict[str, Any] = {}
    if any(one.look for one in table.entries):
        found["95 % interval of MAE"] = _interval(entry.look)
    if any(one.standing for one in table.entries):
        found["ties"] = entry.standing.ties if entry.standing else None
    return found


def _heading(part: str, table: rank.Table) -> str:
    return f"{part} {title_of(table.summary.key.metric)} {in_brackets(table.summary.unit)}".rstrip()


def in_brackets(unit: str) -> str:
    """A unit behind a title; nothing where there is none."""
    return f"({unit})" if unit else ""


class Studies(tuple[StudySummary, ...]):
    """The studies of a store, as ``fesearch study list`` prints them."""

    __slots__ = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What ``fesearch.open`` takes."""
        return tuple(one.study.name for one in self)

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each study."""
        import pandas as pd

        return pd.DataFrame([line_of(one) for one in self])

    def __repr__(self) -> str:
        return "\n".join(
            notebook.brief("study", one.study.name, f"{counts(one)}, {best_of(one)}")
            for one in self
        )

    def _repr_html_(self) -> str:
        return notebook.table("Studies", [line_of(one) for one in self])


def line_of(one: StudySummary) -> dict[str, Any]:
    """A study as a row."""
    row = one.study
    return {
        "name": row.name,
        "state": row.state.value,
        "trials": sum(count for state, count in one.trials.items() if state.finished),
        "best": one.best,
        "metric": f"{title_of(row.key.metric)} {in_brackets(row.unit)}".rstrip(),
        "family": row.definition["study"]["family"],
        "data": row.definition["study"]["data"],
    }


def counts(one: StudySummary) -> str:
    """Its trials by state, in Optuna's words."""
    words = [f"{count} {state.value}" for state, count in one.trials.items() if count]
    return ", ".join(words) or "no trial"


def best_of(one: StudySummary) -> str:
    """Its best validation value, in words."""
    if one.best is None:
        return "no usable trial"
    title, unit = title_of(one.study.key.metric), one.study.unit
    return f"best validation {title} {notebook.text(one.best)} {unit}".rstrip()
