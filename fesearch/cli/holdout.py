"""``fesearch holdout``: the test part, on record."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import Column, progress, show
from fesearch.errors import InputError
from fesearch.metrics import metric_named
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.holdout import Holdout, Scored


def holdout(
    study: Annotated[str, typer.Argument(help="Its name, as in `fesearch study list`.")],
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Score this many of the best; 1 by default.")
    ] = None,
    best_per_family: Annotated[
        bool, typer.Option("--best-per-family", help="Score the best of each family.")
    ] = False,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Score the best trials on the test part. Every look is counted and stays on record."""
    from fesearch import holdout as sealed

    if top is not None and best_per_family:
        raise InputError("--top and --best-per-family are both given.", "Give one of them.")
    with progress("features", "compounds") as report:
        found = sealed.holdout(
            study,
            storage_url(storage),
            top=top or 1,
            best_per_family=best_per_family,
            progress=report,
        )
    metric = metric_named(found.row.key.metric)
    rows = [_row(found, scored) for scored in found.scored]
    columns: list[Column | str] = [
        "trial",
        "family",
        Column(f"val_{metric.name}", f"validation {metric.title}", found.row.unit),
        *(
            Column(f"test_{one.name}", f"test {one.title}", one.in_unit(found.target_unit))
            for one in map(metric_named, found.scored[0].look.scores)
        ),
        "look",
    ]
    show(rows, columns, format)
    first, last = rows[0]["look"], rows[-1]["look"]
    looks = f"look {first}" if first == last else f"looks {first} to {last}"
    print(
        f"\nOn record as {looks} at this test part ({found.test[:12]}); {found.earlier} had been "
        "before. Trials begun from now on, on any division with these test rows, are marked "
        "'searched after a look'.",
        file=sys.stderr,
    )


def _row(found: "Holdout", scored: "Scored") -> dict[str, Any]:
    study, trial, look = found.row, scored.trial, scored.look
    return {
        "study": study.name,
        "trial": trial.number,
        "family": trial.family,
        f"val_{study.key.metric}": trial.value,
        **{f"test_{name}": score for name, score in look.scores.items()},
        "look": look.sequence,
        "rows": look.rows,
        "config": dict(trial.config),
        "data_hash": look.data,
        "target": look.target,
        "split": look.split,
        "test_fingerprint": found.test,
        "looked_at": look.looked_at.isoformat(timespec="seconds"),
    }
