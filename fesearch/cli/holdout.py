"""``fesearch holdout``: the test part, on record; and labelled rows from elsewhere."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fesearch.cli.options import FormatOption, StorageOption, elsewhere
from fesearch.cli.output import Column, Format, covered, low_high, progress, show
from fesearch.errors import InputError, counted
from fesearch.metrics import metric_named
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.external import Elsewhere
    from fesearch.holdout import Holdout, Scored

MICRO = 1e6  # microseconds in a second


def holdout(
    study: Annotated[
        list[str],
        typer.Argument(
            help="As in `fesearch study list`, several of one division, or a search over families.",
            metavar="STUDY…",
        ),
    ],
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, help="Score this many of the best of all; 1 by default."),
    ] = None,
    best_per_family: Annotated[
        bool, typer.Option("--best-per-family", help="Score the best of each family.")
    ] = False,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain", help="Train on training and validation part, for the resource found."
        ),
    ] = False,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Train each so often, with other seeds.")
    ] = 1,
    over: Annotated[
        str | None,
        typer.Option(
            "--over",
            help="Train and score on every member of a division such as kfold:k=5; 'members': of "
            "the study's own.",
        ),
    ] = None,
    ensemble: Annotated[
        int | None,
        typer.Option(
            "--ensemble", min=1, help="Score the mean of this many picks, as export makes it."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="Of the Ray cluster to train on; local for none."),
    ] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", help="GPUs to train on, in all.")] = None,
    cpus: Annotated[int | None, typer.Option("--cpus", help="CPU cores to train on.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Score on the labelled rows of this file."),
    ] = None,
    formula: Annotated[
        str | None, typer.Option("--formula", help="Its column of formulas; 'formula' by default.")
    ] = None,
    structure: Annotated[
        str | None, typer.Option("--structure", help="Its column of structures.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Its column of true values; the study's name.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Of these; the study's if left out.")
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Score the best trials on the test part. Every look is counted and stays on record."""
    if top is not None and best_per_family:
        raise InputError("--top and --best-per-family are both given.", "Give one of them.")
    url, anew = storage_url(storage), retrain or seeds > 1 or over is not None
    place = elsewhere(address, gpus, cpus)
    if place and not anew:
        raise InputError(
            "--address, --gpus and --cpus say where models are trained anew, but none is.",
            "Give --retrain, --seeds or --over, or leave them out.",
        )
    if ensemble is not None and (top or best_per_family or seeds > 1 or file):
        raise InputError(
            "--ensemble scores one mean of models as they were searched, or with --over and "
            "--retrain trained again.",
            "Leave --top, --best-per-family, --seeds and --file out.",
        )
    if file is not None:
        if anew:
            raise InputError(
                "--file scores models as they were searched, and none that are trained anew.",
                "Leave --retrain, --seeds and --over out.",
            )
        _score_file(
            study, url, file, formula, structure, target, unit, top or 1, best_per_family, format
        )
        return
    for option, given in (
        ("--formula", formula),
        ("--structure", structure),
        ("--target", target),
        ("--unit", unit),
    ):
        if given is not None:
            raise InputError(
                f"{option} is about a file, but there is no --file.",
                f"Give --file, or leave {option} out.",
            )
    from fesearch import holdout as sealed

    with progress("features", "compounds") as report:
        if ensemble is not None:
            from fesearch.joint import holdout_ensemble

            mean = holdout_ensemble(
                study, url, ensemble, report, retrain=retrain, over=over, place=place
            )
            _show(mean, format)
            return
        found = sealed.holdout(
            study,
            url,
            top=top or 1,
            best_per_family=best_per_family,
            retrain=retrain,
            seeds=seeds,
            over=over,
            place=place,
            progress=report,
        )
    _show(found, format)


def _show(found: "Holdout", format: Format) -> None:
    metric, rows = metric_named(found.row.key.metric), [_row(found, one) for one in found.scored]
    joint = any(one.look.how.picks for one in found.scored)
    several = len({one.look.study for one in found.scored}) > 1
    anew = any(one.look.how.trained.anew for one in found.scored)
    measured = any("0.9" in one.look.how.coverage for one in found.scored)
    columns: list[Column | str] = [
        *(["study"] if several else []),
        *(["picks"] if joint else ["trial", "family"]),
        *((Column("division"), "trained", "seed", "searched") if anew else ()),
        Column(f"val_{metric.name}", f"validation {metric.title}", found.row.unit),
        *(
            Column(f"test_{one.name}", f"test {one.title}", one.in_unit(found.target_unit))
            for one in map(metric_named, found.scored[0].look.scores)
        ),
        Column("interval", "95 % of test MAE", found.target_unit),
        *([Column("covered", "90 % intervals cover")] if measured else []),
        Column("latency", "time a row", "µs"),
        "look",
    ]
    shown = rows if format != "table" else [_short(row) for row in rows]
    show(shown, columns, format)
    first, last = rows[0]["look"], rows[-1]["look"]
    parts = ", ".join(test[:12] for test in found.tests)
    if len(found.tests) > 1:
        looks = f"{counted(found.new, 'look')} at {len(found.tests)} test parts"
    else:
        looks = f"look {first} at this test part" if first == last else ""
        looks = looks or f"looks {first} to {last} at this test part"
    print(
        f"\nOn record as {looks} ({parts}); {found.earlier} had been "
        "before. Trials begun from now on, on any division with these test rows, are marked "
        "'searched after a look'.",
        file=sys.stderr,
    )
    known = sum(one.look.how.known for one in found.scored)
    if known:
        print(
            "Warning: the configs were searched on rows that are test rows here (searched: "
            "elsewhere); such scores flatter.",
            file=sys.stderr,
        )


def _row(found: "Holdout", scored: "Scored") -> dict[str, Any]:
    study, trial, look, how = found.row, scored.trial, scored.look, scored.look.how
    return {
        "study": look.study,
        "trial": trial.number,
        "family": "ensemble" if how.picks else trial.family,
        f"val_{study.key.metric}": trial.value
        if look.as_searched
        else how.validation.get(study.key.metric),
        **{f"test_{name}": score for name, score in look.scores.items()},
        "interval": how.interval,
        "coverage": {level: list(pair) for level, pair in how.coverage.items()},
        "picks": dict(how.picks),
        "latency": None if how.latency is None else how.latency * MICRO,
        "look": look.sequence,
        "rows": look.rows,
        "trained": how.trained.value,
        "seed": how.seed,
        "searched": how.searched.value,
        "searched_rows_in_test": how.known,
        "rows_trained": how.n_train,
        "config": dict(trial.config),
        "data_hash": look.data,
        "target": look.target,
        "split": look.split,
        "over": how.over,
        "looked_at": look.looked_at.isoformat(timespec="seconds"),
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a table shows it."""
    return {
        **row,
        "interval": low_high(row["interval"]),
        "covered": covered(row["coverage"]),
        "division": row["split"][:12],
    }


def _score_file(
    studies: list[str],
    url: str,
    file: Path,
    formula: str | None,
    structure: str | None,
    target: str | None,
    unit: str | None,
    top: int,
    best_per_family: bool,
    format: Format,
) -> None:
    """Score finalists on a file and print what it says."""
    from fesearch.external import score_file
    from fesearch.intake import Wanted
    from fesearch.store.results import Store

    if target is None:
        with Store.look(url) as store:
            target = store.named(studies)[0].key.target
    wanted = Wanted({target: unit or ""}, formula=formula or "formula", structure=structure)
    with progress("features", "compounds") as report:
        found = score_file(
            studies, url, file, wanted, top=top, best_per_family=best_per_family, progress=report
        )
    _show_elsewhere(found, file, format)


def _show_elsewhere(found: "Elsewhere", file: Path, format: Format) -> None:
    metric = metric_named(found.row.key.metric)
    rows = [
        {
            "study": one.study,
            "trial": one.trial.number,
            "family": one.trial.family,
            f"val_{metric.name}": one.trial.value,
            **{f"file_{name}": score for name, score in one.scores.items()},
            "interval": one.interval,
            "new_mae": one.new.get("mae"),
            **{f"new_{name}": score for name, score in one.new.items()},
            "rows": found.rows,
            "rows_told": found.told,
            "rows_sealed": found.sealed,
        }
        for one in found.scored
    ]
    columns: list[Column | str] = [
        *(["study"] if len({one.study for one in found.scored}) > 1 else []),
        "trial",
        "family",
        Column(f"val_{metric.name}", f"validation {metric.title}", found.row.unit),
        *(
            Column(f"file_{one.name}", f"{one.title} there", one.in_unit(found.target_unit))
            for one in map(metric_named, found.scored[0].scores)
        ),
        Column("interval", "95 % interval of MAE there", found.target_unit),
        Column("new_mae", "MAE of new formulas", found.target_unit),
    ]
    short = [
        {**row, "interval": low_high(one.interval)}
        for row, one in zip(rows, found.scored, strict=True)
    ]
    show(rows if format != "table" else short, columns, format)
    print(
        f"\n{counted(found.rows, 'row')} of {file}, in {found.target_unit}. "
        f"{'' if found.sealed else 'No look at the test part. '}"
        f"{counted(found.told, 'row', 'has', 'have')} a formula that the models were trained or "
        "validated on.",
        file=sys.stderr,
    )
    if found.sealed:
        looks = ", ".join(str(one.look.sequence) for one in found.scored if one.look)
        print(
            f"Warning: {counted(found.sealed, 'row', 'has', 'have')} a formula of the sealed test "
            f"part, which is on record as look {looks} at it; do not choose by this score.",
            file=sys.stderr,
        )
