"""``fesearch study``: the studies of a store listed, shown, stopped and removed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fesearch.cli import budget, later, search
from fesearch.cli.options import (
    FormatOption,
    StorageOption,
    StudyArgument,
    group,
)
from fesearch.cli.output import Column, Format, detail, say, show
from fesearch.errors import InputError
from fesearch.paths import storage_url
from fesearch.record import TrialState
from fesearch.study import from_keys

if TYPE_CHECKING:
    pass

app = group()

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


app.command("start")(search.start_study)
app.command("resume")(search.resume_study)
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
        "reason": row.reason,
        "seconds": row.seconds,
        "versions": dict(row.versions),
        "why": list(row.definition.get("why", ())),
        "changes": _changes(row.definition.get("changes", []), format),
    }
    detail(facts, format)


@app.command("stop")
def stop_study(name: StudyArgument, storage: StorageOption = None) -> None:
    """Ask a running study to stop, from any terminal; it leaves checkpoints and can be resumed.

    A SLURM job that was put back into the queue leaves it alone, too.
    """
    from fesearch.search import remaining

    done = remaining.stop(name, storage_url(storage))
    if done is remaining.Stop.NEEDLESS:
        raise InputError(
            f"The study '{name}' is not running.", f"See: fesearch study status {name}"
        )
    if done is remaining.Stop.NOTED:
        say(
            f"The study '{name}' is not running. A batch job that goes on with it for another one "
            "leaves it alone; end one that has not begun yet with scancel.",
            f"To go on: fesearch study resume {name}",
        )


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
        store.refuse_searched(name)
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


def _line(store: Any, summary: Any) -> dict[str, Any]:
    """A study in a line; one that says RUNNING without a live driver was killed."""
    row, state = summary.study, summary.study.state.value
    undone = state == "RUNNING" or summary.trials.get(TrialState.RUNNING)
    words = store.words(row) if undone else {}  # a query, which most of many studies need not
    if state == "RUNNING" and words[TrialState.RUNNING] != state:
        state = "KILLED"
    ended = sum(count for one, count in summary.trials.items() if one.finished)
    return {
        "name": row.name,
        "state": state,
        "reason": row.reason,
        "trials": ended,
        "budget": _budget(row) + summary.children,
        "best": summary.best,
        "unit": row.unit,
        "family": row.definition["study"]["family"],
        "data": row.definition["study"]["data"],
        "metric": row.key.metric,
        "by_state": {
            words.get(one, one.value): count for one, count in summary.trials.items() if count
        },
        "seconds": row.seconds,
    }


def _budget(row: Any) -> int:
    """Trials in all; of a study whose family is not installed here, those asked for."""
    study = from_keys(row.definition["study"], row.name)
    try:
        return study.budget()
    except InputError:
        return study.trials
