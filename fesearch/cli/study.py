"""``fesearch study``: searches started, resumed, watched and removed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fesearch.cli import budget, dry, later, portfolio
from fesearch.cli.afterwards import Afterwards
from fesearch.cli.app import INTERRUPTED
from fesearch.cli.live import varying, watching
from fesearch.cli.options import (
    FamilyFileOption,
    FormatOption,
    StorageOption,
    StudyArgument,
    group,
)
from fesearch.cli.output import Column, Format, detail, progress, quiet, say, show
from fesearch.duration import duration
from fesearch.errors import InputError, NoResultError
from fesearch.paths import storage_url
from fesearch.portfolio import of_keys
from fesearch.record import nothing_usable
from fesearch.study import Study, checked, from_keys
from fesearch.studyfile import read

if TYPE_CHECKING:
    from fesearch.search.start import Outcome

app = group()

_BEST_SHOWN = 10
_COLUMNS: list[Column | str] = [
    "name",
    "state",
    "trials",
    "budget",
    "best",
    "unit",
    "family",
    "data",
]
"""Of a list of studies."""


def _option(flag: str, text: str) -> Any:
    return typer.Option(flag, help=text)


@app.command("start")
def start_study(
    source: Annotated[
        str,
        typer.Argument(help="A shipped study, a model family, a study file, or a family's .py."),
    ],
    name: Annotated[str | None, _option("--name", "What to call it in the store.")] = None,
    data: Annotated[str | None, _option("--data", "Data set.")] = None,
    target: Annotated[str | None, _option("--target", "Its column to learn.")] = None,
    features: Annotated[str | None, _option("--features", "Feature set.")] = None,
    families: Annotated[
        str | None, _option("--families", "Of a search over many, as in irnet,xgboost.")
    ] = None,
    preset: Annotated[str | None, _option("--preset", "Space: published or full.")] = None,
    split: Annotated[
        str | None,
        _option("--split", "Division: random, kfold, column:NAME …"),
    ] = None,
    metric: Annotated[str | None, _option("--metric", "Of the validation part.")] = None,
    gpus: Annotated[int | None, _option("--gpus", "GPUs to use, in all.")] = None,
    gpus_per_trial: Annotated[
        float | None, _option("--gpus-per-trial", "Of one trial; 0.5 puts two on a GPU.")
    ] = None,
    cpus: Annotated[int | None, _option("--cpus", "CPU cores to use; all by default.")] = None,
    cpus_per_trial: Annotated[int | None, _option("--cpus-per-trial", "Of one trial.")] = None,
    trials: Annotated[int | None, _option("--trials", "How many configs to try.")] = None,
    max_epochs: Annotated[int | None, _option("--max-epochs", "End of a trial.")] = None,
    time_limit: Annotated[str | None, _option("--time-limit", "Such as 30m or 8h.")] = None,
    sampler: Annotated[
        str | None, _option("--sampler", "auto, tpe, gp, cmaes, qmc, random or grid.")
    ] = None,
    pruner: Annotated[str | None, _option("--pruner", "asha, hyperband, median or none.")] = None,
    objectives: Annotated[
        str | None,
        _option("--objectives", "What counts beside the metric: parameters, seconds or both."),
    ] = None,
    seed: Annotated[int | None, _option("--seed", "Of the search and its trials.")] = None,
    storage: StorageOption = None,
    address: Annotated[str | None, _option("--address", "Of a running Ray cluster.")] = None,
    warm_start: Annotated[
        str | None, _option("--warm-start", "An earlier study of the family, to begin where it is.")
    ] = None,
    track: Annotated[
        str | None, _option("--track", "Follow it in mlflow, wandb, tensorboard; one or more.")
    ] = None,
    family_file: FamilyFileOption = None,
    set_: Annotated[
        list[str] | None, _option("--set", "Any key of a study file, as in space.depth=48.")
    ] = None,
    or_resume: Annotated[
        bool, typer.Option("--or-resume", help="Go on with the study if there is one.")
    ] = False,
    holdout: Annotated[
        bool,
        typer.Option("--holdout", help="Then score the best on the test part, on record."),
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Then write the best model to this folder.")
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Build data and features, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would be and take, and start nothing.")
    ] = False,
    format: FormatOption = "table",
) -> None:
    """Search: create a study and train until its budget is spent."""
    flags = {
        "name": name,
        "data": data,
        "target": target,
        "features": features,
        "families": families,
        "preset": preset,
        "split": split,
        "metric": metric,
        "gpus": gpus,
        "gpus_per_trial": gpus_per_trial,
        "cpus": cpus,
        "cpus_per_trial": cpus_per_trial,
        "trials": trials,
        "max_epochs": max_epochs,
        "time_limit": time_limit,
        "sampler": sampler,
        "pruner": pruner,
        "objectives": objectives.split(",") if objectives else None,
        "seed": seed,
        "address": address,
        "warm_start": warm_start,
        "track": track.split(",") if track else None,
        "own": family_file,
    }
    afterwards = Afterwards(holdout, export)
    keys = read(source, flags, tuple(set_ or ()))
    if "families" in keys:
        if prepare or dry_run:
            for study in of_keys(keys, source).studies.values():
                say(study.name)
                (_prepare if prepare else dry.show_outlook)(study, format)
        else:
            portfolio.start(keys, source, storage_url(storage), or_resume, afterwards, format)
        return
    study = checked(keys, source)
    if prepare:
        _prepare(study, format)
        return
    if dry_run:
        dry.show_outlook(study, format)
        return
    from fesearch.search import resources, start

    if idle := resources.idle_gpus(study):
        say(f"{idle} GPU{'s' if idle > 1 else ''} stand idle; to use them add --gpus {idle}.")
    if shared := resources.sharing(study):
        say(shared)
    url = storage_url(storage)
    limit = study.time_limit
    with progress("features", "compounds") as report, watching(quiet()) as watchers:
        outcome = start.start(
            study,
            url,
            or_resume=or_resume,
            seconds=afterwards.left(duration(limit)) if limit and afterwards.asked else None,
            progress=report,
            watchers=watchers,
        )
    _conclude(outcome, study, limit, format, url, afterwards)


@app.command("resume")
def resume_study(
    name: StudyArgument,
    time_limit: Annotated[
        str | None, _option("--time-limit", "Of this run, in place of what is left of its own.")
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="From a driver on another host that is gone for certain."),
    ] = False,
    address: Annotated[
        str | None, _option("--address", "Of the Ray cluster to go on on; local for none.")
    ] = None,
    gpus: Annotated[int | None, _option("--gpus", "GPUs to go on on, in all.")] = None,
    cpus: Annotated[int | None, _option("--cpus", "CPU cores to go on on.")] = None,
    holdout: Annotated[
        bool, typer.Option("--holdout", help="Then score the best on the test part, on record.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Then write the best model to this folder.")
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Go on with a study that was stopped or killed: nothing finished is trained again."""
    from fesearch.search import start
    from fesearch.search.prepare import study_of

    place: dict[str, Any] = {"gpus": gpus, "cpus": cpus, "address": address}
    place = {key: value for key, value in place.items() if value is not None}
    if address == "local":
        place["address"] = None
    url, afterwards = storage_url(storage), Afterwards(holdout, export)
    if portfolio.resume(name, url, time_limit, take_over, place, afterwards, format):
        return
    with progress("features", "compounds") as report, watching(quiet()) as watchers:
        outcome = start.resume(
            name,
            url,
            time_limit=time_limit,
            take_over=take_over,
            place=place,
            progress=report,
            watchers=watchers,
        )
    study = study_of(outcome.row)
    _conclude(outcome, study, time_limit or study.time_limit, format, url, afterwards)


app.command("extend")(budget.extend_study)
app.command("enqueue")(budget.enqueue_config)
app.command("archive")(later.archive_study)
app.command("replay")(later.replay_study)


@app.command("list")
def list_studies(storage: StorageOption = None, format: FormatOption = "table") -> None:
    """All studies of the store."""
    from fesearch.store.results import Store

    with Store.look(storage_url(storage)) as store:
        rows = [_line(store, summary) for summary in store.studies()]
    show(rows, _COLUMNS, format)


@app.command("status")
def show_status(
    name: StudyArgument, storage: StorageOption = None, format: FormatOption = "table"
) -> None:
    """How far a study is, from any terminal; of a search over many families, each of them."""
    from fesearch.store.results import Store

    with Store.look(storage_url(storage)) as store:
        if many := store.portfolio(name):
            show([_line(store, summary) for summary in many], _COLUMNS, format)
            return
        store.study(name)
        summary = next(one for one in store.studies() if one.study.name == name)
        facts = _line(store, summary)
    detail(facts, format)


@app.command("show")
def show_study(
    name: StudyArgument, storage: StorageOption = None, format: FormatOption = "table"
) -> None:
    """Every setting of a study, and the hashes its numbers belong to."""
    from fesearch.store.results import Store

    with Store.look(storage_url(storage)) as store:
        row = store.study(name)
        test = store.division(row.key.data, row.key.split).test
    facts = {
        **row.definition["study"],
        "own": _files(row.definition.get("own", []), format),
        "data_hash": row.key.data,
        "target": row.key.target,
        "split_fingerprint": row.key.split,
        "test_fingerprint": test,
        "features_digest": row.features,
        "unit": row.unit,
        "created": row.created_at.isoformat(timespec="seconds"),
        "state": row.state.value,
        "seconds": row.seconds,
        "versions": dict(row.versions),
        "why": list(row.definition.get("why", ())),
        "changes": _changes(row.definition.get("changes", []), format),
    }
    detail(facts, format)


@app.command("stop")
def stop_study(name: StudyArgument, storage: StorageOption = None) -> None:
    """Ask a running study to stop, from any terminal; it leaves checkpoints and can be resumed."""
    from fesearch.store.results import Store

    with Store.open(storage_url(storage), create=False) as store:
        rows = [one.study for one in store.portfolio(name)] or [store.study(name)]
        driven = [row for row in rows if store.driven(row)]
        if not driven:
            raise InputError(
                f"The study '{name}' is not running.", f"See: fesearch study status {name}"
            )
        for row in driven:
            store.request_stop(row)


@app.command("delete")
def delete_study(
    name: StudyArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: StorageOption = None,
) -> None:
    """Remove a study with its trials, weights and logs; looks at the test part stay on record."""
    from fesearch.search import start
    from fesearch.store.results import Store

    url = storage_url(storage)
    with Store.open(url, create=False) as store:
        names = [one.study.name for one in store.portfolio(name)] or [name]
    if not yes:
        said = "', '".join(names)
        typer.confirm(f"Remove the study '{said}' with all its trials?", abort=True, err=True)
    for one in names:
        start.delete(one, url)


def _files(records: list[dict[str, str]], format: Format) -> list[Any]:
    """The user's own files of a study, with the beginning of their hashes in a table."""
    if format != "table":
        return list(records)
    return [f"{one['path']} (sha256 {one['sha256'][:12]})" for one in records]


def _changes(changes: list[dict[str, Any]], format: Format) -> list[Any]:
    """What was extended, and when; a line each in a table."""
    if format != "table":
        return list(changes)
    return [f"{one['key']} {one['old']} → {one['new']} at {one['at']}" for one in changes]


def _prepare(study: Study, format: Format) -> None:
    from fesearch.search.prepare import prepare

    with progress("features", "compounds") as report:
        prepared = prepare(study, report)
    split = prepared.split
    facts = {
        "data": prepared.dataset.name,
        "data_hash": prepared.dataset.hash,
        "target": prepared.target,
        "features": f"{prepared.features.name}, {len(prepared.features.names)} columns",
        "split": split.spec,
        "split_fingerprint": split.fingerprint,
        "test_fingerprint": prepared.division.test,
        "rows": {"train": len(split.train), "val": len(split.val), "test": len(split.test)},
    }
    detail(facts, format)


def _line(store: Any, summary: Any) -> dict[str, Any]:
    """A study in a line; one that says RUNNING without a live driver was killed."""
    row = summary.study
    state = row.state.value
    if state == "RUNNING" and not store.driven(row):
        state = "KILLED"
    ended = sum(count for one, count in summary.trials.items() if one.finished)
    return {
        "name": row.name,
        "state": state,
        "trials": ended,
        "budget": _budget(row) + summary.children,
        "best": summary.best,
        "unit": row.unit,
        "family": row.definition["study"]["family"],
        "data": row.definition["study"]["data"],
        "metric": row.key.metric,
        "by_state": {one.value: count for one, count in summary.trials.items() if count},
        "seconds": row.seconds,
    }


def _budget(row: Any) -> int:
    """Trials in all; of a study whose family is not installed here, those asked for."""
    study = from_keys(row.definition["study"], row.name)
    try:
        return study.budget()
    except InputError:
        return study.trials


def _conclude(
    outcome: "Outcome",
    study: Study,
    limit: str | None,
    format: Format,
    url: str,
    afterwards: Afterwards,
) -> None:
    """The best trials, what to type next, and the exit code.

    Args:
        limit: time limit of this run.
        url: of the store, for what comes afterwards.
        afterwards: what else to do with the best, once the search is over.
    """
    from fesearch.search import core

    _show_best(outcome, study, format)
    name = outcome.row.name
    more = f" --time-limit {limit}" if outcome.stopped == core.LATE else ""
    again = f"Go on with:  fesearch study resume {name}{more}"
    ended = outcome.results and all(result.state.finished for result in outcome.results)
    if outcome.stopped not in ("", core.INTERRUPTED) and not ended and not outcome.usable:
        raise NoResultError(f"Stopped: {outcome.stopped}; no trial is usable yet.", again)
    if outcome.stopped:
        say(f"Stopped: {outcome.stopped}.", again)
    if outcome.stopped == core.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if not outcome.usable:
        raise nothing_usable(name, outcome.results)
    if outcome.stopped in ("", core.LATE):
        afterwards.look([name], url)
        afterwards.write(name, url)
    say(
        "Next:",
        "  fesearch rank                            all models on this division",
        f"  fesearch trials {name:<24} every trial, and why it ended",
        f"  fesearch export {name} --to model{'':<{max(0, 13 - len(name))}} the best as a model",
        "  fesearch predict model Fe2O3             use it",
        "  fesearch dashboard                       look at the search in a browser",
    )


def _show_best(outcome: "Outcome", study: Study, format: Format) -> None:
    sign = 1 if outcome.row.direction == "minimize" else -1
    usable = [r for r in outcome.results if r.state.usable and r.value is not None]
    usable.sort(key=lambda result: (sign * (result.value or 0.0), result.number))
    metric = study.declared_metric()
    rows = [
        {
            "position": position,
            "trial": result.number,
            "value": result.value,
            "state": result.state.value,
            "resource": result.resource,
            "unit": result.unit,
            "seconds": result.seconds,
            "parameters": result.parameters,
            "config": varying(result.config, study.search_space().parameters)
            if format == "table"
            else dict(result.config),
        }
        for position, result in enumerate(usable[:_BEST_SHOWN], 1)
    ]
    columns: list[Column | str] = [
        Column("position", "#"),
        "trial",
        Column("value", f"validation {metric.title}", outcome.row.unit),
        "state",
        Column("resource", study.declared_family().resource.unit),
        Column("seconds", "time", "s"),
        "parameters",
        "config",
    ]
    show(rows, columns, format)
