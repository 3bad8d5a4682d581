"""``fesearch study start`` and ``study resume``: searches, and what is said at their end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fesearch.cli import dry, portfolio
from fesearch.cli.afterwards import Afterwards
from fesearch.cli.app import INTERRUPTED
from fesearch.cli.live import varying, watching
from fesearch.cli.options import (
    FamilyFileOption,
    FormatOption,
    StorageOption,
    StudyArgument,
    elsewhere,
)
from fesearch.cli.output import Column, Format, progress, quiet, say, show
from fesearch.cli.prepare import prepare_all, prepare_study
from fesearch.duration import duration
from fesearch.errors import NoResultError
from fesearch.paths import storage_url
from fesearch.portfolio import of_keys
from fesearch.record import nothing_usable
from fesearch.study import Study, checked
from fesearch.studyfile import read

if TYPE_CHECKING:
    from fesearch.search.driver import Outcome

_BEST_SHOWN = 10


def _option(flag: str, text: str) -> Any:
    return typer.Option(flag, help=text)


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
        _option("--objectives", "What counts beside the metric: parameters, seconds, latency."),
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
        "objectives": objectives,
        "seed": seed,
        "address": address,
        "warm_start": warm_start,
        "track": track,
        "own": family_file,
    }
    afterwards = Afterwards(holdout, export, again=or_resume)
    keys = read(source, flags, tuple(set_ or ()))
    if "families" in keys:
        if prepare:
            prepare_all(of_keys(keys, source), format)
        elif dry_run:
            dry.show_outlooks(of_keys(keys, source), format)
        else:
            portfolio.start(keys, source, storage_url(storage), or_resume, afterwards, format)
        return
    study = checked(keys, source)
    afterwards.refuse_foreign([study.name])
    if prepare:
        prepare_study(study, format)
        return
    if dry_run:
        dry.show_outlook(study, format)
        return
    from fesearch.search import start

    url = storage_url(storage)
    limit = study.time_limit
    with progress("features", "compounds") as report, watching(quiet()) as watchers:
        outcome = start.start(
            study,
            url,
            or_resume=or_resume,
            afterwards=afterwards.asked,
            progress=report,
            watchers=watchers,
        )
    _conclude(outcome, study, limit, format, url, afterwards)


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

    place = elsewhere(address, gpus, cpus)
    url, afterwards = storage_url(storage), Afterwards(holdout, export, again=True)
    if portfolio.resume(name, url, time_limit, take_over, place, afterwards, format):
        return
    afterwards.refuse_foreign([name])
    with progress("features", "compounds") as report, watching(quiet()) as watchers:
        outcome = start.resume(
            name,
            url,
            seconds=None if time_limit is None else afterwards.left(duration(time_limit)),
            afterwards=afterwards.asked,
            take_over=take_over,
            place=place,
            progress=report,
            watchers=watchers,
        )
    study = study_of(outcome.row)
    _conclude(outcome, study, time_limit or study.time_limit, format, url, afterwards)


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
