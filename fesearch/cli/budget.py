"""``fesearch study extend`` and ``enqueue``: what a study is still to do, from any terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fesearch.cli.options import FormatOption, StorageOption, StudyArgument
from fesearch.cli.output import detail, say, show
from fesearch.errors import counted
from fesearch.paths import storage_url

if TYPE_CHECKING:
    from fesearch.search.enqueue import Enqueued
    from fesearch.search.extend import Ends, Extension
    from fesearch.store.types import StudySummary

_SHOWN = 12  # numbers of trials in a line


def extend_study(
    name: StudyArgument,
    trials: Annotated[
        str | None, typer.Option("--trials", help="In all, as in 150, or more, as in +50.")
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option("--time-limit", help="In all, as in 8h, or more, as in +2h.")
    ] = None,
    max_epochs: Annotated[
        int | None, typer.Option("--max-epochs", help="New end of a trial; the best go on to it.")
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Give a study more trials, time or epochs, whether it runs, was stopped or is complete.

    Of a search over many families: more of the budget that they share.
    """
    from fesearch.search.extend import extend
    from fesearch.search.more import extend_all
    from fesearch.search.standings import members

    url = storage_url(storage)
    if many := members(name, url):
        change = extend_all(name, url, trials=trials, time_limit=time_limit, max_epochs=max_epochs)
        show([change], ["key", "old", "new"], format)
        say(_next_of_all(name, many, url))
        return
    extension = extend(
        name,
        url,
        trials=trials,
        time_limit=time_limit,
        max_epochs=max_epochs,
    )
    show(extension.changes, ["key", "old", "new"], format)
    say(*_going_on(extension), _next(extension.row.name, extension.driven))


def enqueue_config(
    name: StudyArgument,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="PARAMETER=VALUE, as in depth=24.")
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", help="Parameters and values as a JSON object.")
    ] = None,
    from_trial: Annotated[
        str | None, typer.Option("--from-trial", help="That of a trial, as in STUDY:7.")
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """Have a study try a config of your choice next; what you leave out is the family's best."""
    from fesearch.search.enqueue import enqueue

    url = storage_url(storage)
    enqueued = enqueue(name, url, sets=tuple(set_ or ()), config=config, from_trial=from_trial)
    detail(enqueued.config, format)
    say(*_waiting(enqueued))


def _going_on(extension: "Extension") -> list[str]:
    """What becomes of the trials that had reached their end."""
    lines = []
    if extension.continued:
        lines.append(f"{_trials(extension.continued)} to the new end, each as a new trial.")
    if extension.ends is not None:
        lines += _staying(extension.ends, extension.row.definition["study"]["keep"])
    return lines


def _staying(ends: "Ends", keep: int) -> list[str]:
    lines = []
    if ends.gone:
        lines.append(
            f"{_trials(ends.gone, 'stays', 'stay')} as they are: only the ends of the best {keep} "
            "are kept (keep in a study file)."
        )
    if ends.scheduled:
        lines.append(
            f"{_trials(ends.scheduled, 'stays', 'stay')} as they are: their learning rates come to "
            "an end with their epochs."
        )
    return lines


def _waiting(enqueued: "Enqueued") -> list[str]:
    """What was filled in, and whether there is a trial left for the config."""
    filled = f"Filled in as in the family's best config: {', '.join(enqueued.filled)}."
    lines = [filled] if enqueued.filled else []
    name, budget = enqueued.row.name, enqueued.study.budget()
    if enqueued.left:
        within = f"It is tried next, within the budget of {counted(budget, 'trial')}."
        return [*lines, within, _next(name, enqueued.driven)]
    waits = f"It waits, since the budget of {counted(budget, 'trial')} is spent: "
    return [*lines, f"{waits}fesearch study extend {name} --trials +1"]


def _next(name: str, driven: bool) -> str:
    if driven:
        return "The study is running, and takes it up by itself."
    return f"Go on with:  fesearch study resume {name}"


def _next_of_all(name: str, many: "Sequence[StudySummary]", url: str) -> str:
    """The same of a search over many families, any study of which may be driven."""
    from fesearch.store.results import Store

    with Store.open(url, create=False) as store:
        if store.searched(name) or any(store.driven(one.study) for one in many):
            return "The search is running, and takes it up at its next turn."
    return _next(name, driven=False)


def _trials(numbers: Sequence[int], one: str = "goes on", several: str = "go on") -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    if len(numbers) == 1:
        return f"Trial {shown} {one}"
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"Trials {shown}{more} {several}"
