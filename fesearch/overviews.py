"""Rankings and lists of studies as Python and notebooks show them."""

from typing import TYPE_CHECKING, Any

from fesearch import notebook, rank
from fesearch.metrics import title_of
from fesearch.rankrows import rows_of
from fesearch.store.types import StudySummary

if TYPE_CHECKING:
    import pandas as pd


class Ranking(tuple[rank.Table, ...]):
    """Tables of what was trained on identical divisions, as ``fesearch rank`` prints them."""

    __slots__ = ()

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each entry of every table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Each entry, and each ensemble that was looked at, as ``fesearch rank --format json``.

        A score on the test part is None while that is sealed.
        """
        return [row for table in self for row in rows_of(table)]

    def _repr_html_(self) -> str:
        return "".join(
            notebook.table(
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
            for table in self
        )


def _compared(table: rank.Table, entry: rank.Entry) -> dict[str, Any]:
    """Interval and ties, where any entry of the table has them."""
    found: dict[str, Any] = {}
    if any(one.look for one in table.entries):
        interval = entry.look.how.interval if entry.look else None
        found["95 % of MAE"] = interval and " … ".join(map(notebook.text, interval))
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
