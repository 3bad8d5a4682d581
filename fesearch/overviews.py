"""Rankings and lists of studies as Python and notebooks show them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from fesearch import notebook
from fesearch.errors import counted, quoted
from fesearch.metrics import title_of
from fesearch.ranking.columns import remarks, shown
from fesearch.ranking.lines import rows_of
from fesearch.ranking.repeats import RepeatedTable
from fesearch.ranking.single import Table
from fesearch.store.types import StudySummary

if TYPE_CHECKING:
    import pandas as pd

    from fesearch.ranking.published import Publication


class Ranking(tuple[Table, ...]):
    """Tables of what was trained on identical divisions, as ``fesearch rank`` prints them.

    Attributes:
        repeated: those over repeated divisions whose test parts were looked at.
        beside: published values, shown below the rankings of their divisions; None without.
    """

    repeated: tuple[RepeatedTable, ...]
    beside: "Publication | None"

    def __new__(
        cls,
        tables: Iterable[Table],
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

        found = [row for table in (*self, *self.repeated) for row in rows_of(table)]
        for every in (*self, *self.repeated):
            found += published.rows_of(every, published.beside(self.beside, every))
        return found

    def __repr__(self) -> str:
        return "\n".join([*map(_brief, self), *map(_brief_repeated, self.repeated)])

    def _repr_html_(self) -> str:
        return "".join(_shown(one) + self._published(one) for one in (*self, *self.repeated))

    def _published(self, table: Table | RepeatedTable) -> str:
        """The published values of a ranking's division; nothing where there are none."""
        from fesearch.ranking.published import beside, mae_unit

        heading = f"test MAE {in_brackets(mae_unit(table))}".rstrip()
        rows = [
            {"model": one.name, heading: one.test, "source": one.source}
            for one in beside(self.beside, table)
        ]
        title = "Published values; none was run here, or is part of a test or tie"
        return notebook.table(title, rows) if rows else ""


def _brief(table: Table) -> str:
    """A ranking in one line: how many there are, and which is best."""
    best, count = table.entries[0], len(table.entries)
    title, unit = title_of(table.key.metric), table.unit
    said = (
        f"{count} {'entry' if count == 1 else 'entries'} on {table.division.spec}, best "
        f"{best.trial.family} (trial {best.trial.number} of {quoted(best.trial.study, 80)}), "
        f"validation {title} {notebook.text(best.trial.value)} {unit}"
    )
    more = len(table.ensembles)
    joint = f", {counted(more, 'ensemble')}" if more else ""
    return notebook.brief("ranking", f"{table.data}, {table.key.target}", f"{said.rstrip()}{joint}")


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


def _shown(table: Table | RepeatedTable) -> str:
    """A ranking as ``fesearch rank`` prints it."""
    over = "mean ± SD over " if isinstance(table, RepeatedTable) else ""
    rows, columns = shown(table)
    headings = {one.key: f"{one.name} {in_brackets(one.unit)}".rstrip() for one in columns}
    said = [{heading: row.get(key) for key, heading in headings.items()} for row in rows]
    title = f"{table.data}, {table.key.target}: {over}{table.division.spec}"
    return notebook.table(title, said) + "".join(map(notebook.remark, remarks(table)))


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
