"""``fesearch simulate``: which way to search is best, found out without training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fesearch.cli.options import FamilyFileOption, FormatOption, StorageOption
from fesearch.cli.output import Column, Format, progress, say, show
from fesearch.duration import duration
from fesearch.errors import InputError, counted
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.search.curves import Curves
    from fesearch.simulation import Comparison, Outcome


def simulate(
    source: Annotated[
        list[str] | None,
        typer.Option("--from", help="A study or search whose curves to replay; repeatable."),
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option("--family", help="Of the shipped curves, these alone.")
    ] = None,
    sampler: Annotated[str, typer.Option("--sampler", help="One or more.")] = "random,tpe",
    pruner: Annotated[str, typer.Option("--pruner", help="One or more.")] = "none,asha",
    reduction_factor: Annotated[
        str | None, typer.Option("--reduction-factor", help="Of the pruner, one or more.")
    ] = None,
    grace: Annotated[
        str | None, typer.Option("--grace", help="Its first rung, one or more.")
    ] = None,
    workers: Annotated[str, typer.Option("--workers", help="Trials at a time, one or more.")] = "1",
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Budget of a search.")
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option("--time-limit", help="Of a search, simulated; half of all curves by default."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Searches of each policy.")] = 10,
    to: Annotated[
        Path | None, typer.Option("--to", help="File to draw: .png, .svg or .html.")
    ] = None,
    family_file: FamilyFileOption = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Search again on recorded curves, without training, and compare ways to do it.

    Every combination of samplers, pruners, their terms and numbers of workers is a policy.
    """
    from fesearch import figures, simulation
    from fesearch.own import run_files

    run_files(family_file or ())
    if to is not None:
        figures.checked(to)
    every = simulation.policies(
        sampler.split(","),
        pruner.split(","),
        _numbers("--reduction-factor", reduction_factor),
        _numbers("--grace", grace),
        _numbers("--workers", workers),
    )
    for term, given in (("reduction_factor", reduction_factor), ("grace", grace)):
        if given is not None and not any(getattr(policy, term) is not None for policy in every):
            say(f"--{term.replace('_', '-')} has no effect with --pruner {pruner}.")
    limits = simulation.Limits(trials, None if time_limit is None else duration(time_limit))
    compared = []
    for curves in _sources(source or [], family or [], storage):
        with progress(f"simulating {curves.name}", "searches") as report:
            compared.append(
                simulation.compare(curves, every, seeds=seeds, limits=limits, progress=report)
            )
        for line in (*compared[-1].left_out, *compared[-1].picked):
            say(f"{curves.name}: {line}.")
        _tell_of_idle(curves, max(policy.workers for policy in every), trials)
    if to is not None:
        simulation.drawn(compared, to)
    _print(compared, format)


def _sources(names: list[str], families: list[str], storage: str | None) -> "list[Curves]":
    from fesearch.search import curves

    if names and families:
        raise InputError("--from and --family are both given.", "Give one of them.")
    if names:
        found = [one for name in names for one in curves.recorded(name, storage_url(storage))]
    else:
        found = curves.read()
        there = [one.study.family for one in found]
        for family in families:
            if family not in there:
                raise InputError(
                    f"There are no shipped curves of '{family}'.",
                    f"There are those of {', '.join(there)}; or give --from STUDY.",
                )
        found = [one for one in found if not families or one.study.family in families]
    for one in found:
        if one.cut:
            say(
                f"{one.cut} of {len(one.curves)} trials of '{one.name}' were stopped early: where "
                "their curves end, their last values stay.",
                "For whole curves search with --pruner none.",
            )
    return found


def _tell_of_idle(curves: "Curves", workers: int, trials: int | None) -> None:
    """Say where workers stand idle since a search has fewer trials than there are of them."""
    begun = len(curves.curves) if trials is None else trials
    if workers > begun:
        say(
            f"A search of '{curves.name}' has {counted(begun, 'trial')}, so the others of "
            f"{workers} workers stand idle.",
            f"For more, which repeat recorded configs, add --trials {3 * workers}.",
        )


def _numbers(option: str, text: str | None) -> list[int]:
    """Whole numbers as typed, with commas between them."""
    try:
        return [] if text is None else [int(word) for word in text.split(",")]
    except ValueError:
        raise InputError(f"{option} is '{text}'.", f"Give numbers, as in {option} 2,4.") from None


def _print(compared: "list[Comparison]", format: Format) -> None:
    if format != "table":
        show([row for one in compared for row in _rows(one)], [], format)
        return
    for place, one in enumerate(compared):
        print(*([""] if place else []), *_heading(one), "", sep="\n")
        show([_line(one, outcome) for outcome in one.outcomes], _columns(one))


def _heading(one: "Comparison") -> list[str]:
    curves, outcome = one.curves, one.outcomes[0]
    metric = curves.study.declared_metric()
    return [
        f"{curves.name}: {len(curves.curves)} recorded configs of {curves.study.family}, "
        f"{curves.split} of data {curves.data[:12]} ({curves.origin})",
        f"best validation {metric.title} ({curves.unit}) so far, median of "
        f"{len(outcome.courses)} searches, by simulated time; ± is half of the distance of the "
        "quartiles at the end",
    ]


def _columns(one: "Comparison") -> list[Column | str]:
    times = [Column(str(place), _clock(at)) for place, at in enumerate(one.times)]
    same = Column("speed", "times as fast as the first")
    return ["policy", "workers", "trials", *times, Column("spread", "±"), same, "efficiency"]


def _line(one: "Comparison", outcome: "Outcome") -> dict[str, Any]:
    points = outcome.at(one.times)
    return {
        "policy": outcome.policy.label,
        "workers": outcome.policy.workers,
        "trials": round(outcome.trials),
        **{str(place): point.median for place, point in enumerate(points)},
        "spread": (points[-1].high - points[-1].low) / 2,
        "speed": one.speed(outcome),
        "efficiency": outcome.efficiency,
    }


def _rows(one: "Comparison") -> list[dict[str, Any]]:
    curves = one.curves
    return [
        {
            "source": curves.name,
            "family": curves.study.family,
            "policy": outcome.policy.label,
            "sampler": outcome.policy.sampler,
            "pruner": outcome.policy.pruner,
            "reduction_factor": outcome.policy.reduction_factor,
            "grace": outcome.policy.grace,
            "workers": outcome.policy.workers,
            "searches": len(outcome.courses),
            "trials": outcome.trials,
            "seconds": point.seconds,
            "best": point.median,
            "low": point.low,
            "high": point.high,
            "unit": curves.unit,
            "speed": one.speed(outcome),
            "efficiency": outcome.efficiency,
        }
        for outcome in one.outcomes
        for point in outcome.at(one.times)
    ]


def _clock(seconds: float) -> str:
    for length, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
