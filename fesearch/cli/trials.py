"""``fesearch trials``: every trial of a study, or one of them with its curve."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fesearch.cli.options import FormatOption, StorageOption, StudyArgument
from fesearch.cli.output import Column, page, show
from fesearch.metrics import title_of
from fesearch.paths import storage_url
from fesearch.space import Value


class _ListFirst(TyperGroup):
    """A group whose first word may be left out where it is ``list``: ``fesearch trials STUDY``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, beginning with a command."""
        if not args or args[0] not in {*self.commands, "--help"}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ListFirst, add_completion=False, rich_markup_mode=None)


@app.command("list")
def list_trials(
    study: StudyArgument, storage: StorageOption = None, format: FormatOption = "table"
) -> None:
    """All trials of a study in order; `fesearch trials STUDY` is the short form."""
    from fesearch.store.results import Store

    with Store.look(storage_url(storage)) as store:
        row = store.study(study)
        trials, words = store.trials(row), store.words(row)
    varying = _varying([one.config for one in trials])
    rows = [
        {
            "number": one.number,
            "state": words[one.state],
            "value": one.value,
            "family": one.family,
            "config": {
                name: value
                for name, value in one.config.items()
                if format != "table" or name in varying
            },
            "resource": one.resource,
            "unit": one.unit,
            "seconds": one.seconds,
            "reason": one.reason,
            "value_unit": row.unit,
            "best_resource": one.best_resource,
            "parameters": one.parameters,
            "latency_us": one.latency_us,
            "seed": one.seed,
            "after_look": one.after_look,
            "parent": one.parent,
            "retries": one.retries,
        }
        for one in trials
    ]
    title = f"validation {title_of(row.key.metric)}"
    value, seconds = Column("value", title, row.unit), Column("seconds", "time", "s")
    columns: list[Column | str] = ["number", "state", value, "family", "resource", "unit"]
    columns += [seconds, "config", "reason"]
    show(rows, columns, format)


@app.command("show")
def show_trial(
    study: StudyArgument,
    number: Annotated[int, typer.Argument(help="Of the trial, from 0.")],
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """One trial: its config, why it ended, where its log and weights are, and its curve."""
    from fesearch.search.folder import log_file, model_folder
    from fesearch.store.results import Store

    with Store.look(storage_url(storage)) as store:
        row = store.study(study)
        one, words = store.trial(row, number), store.words(row)
        reports = store.reports(row, number)
        origin = store.origin(row, number)
    weights, log = model_folder(row, number), log_file(row, number)
    facts = {
        "study": row.name,
        "trial": one.number,
        "state": words[one.state],
        "reason": one.reason,
        "origin": origin,
        "parent": one.parent,
        "retries": one.retries,
        "family": one.family,
        "value": one.value,
        "value_unit": row.unit,
        "metric": row.key.metric,
        "resource": one.resource,
        "unit": one.unit,
        "best_resource": one.best_resource,
        "seconds": one.seconds,
        "parameters": one.parameters,
        "latency_us": one.latency_us,
        "validation": dict(one.scores),
        "seed": one.seed,
        "after_look": one.after_look,
        "config": dict(one.config),
        "layers": _layers(one),
        "weights": str(weights) if weights.is_dir() else None,
        "log": str(log) if log.is_file() else None,
    }
    curve = [
        {
            "resource": report.resource,
            "raw": report.raw,
            "best": report.best,
            "decision": report.decision.value,
            "seconds": report.seconds,
        }
        for report in reports
    ]
    columns: list[Column | str] = [
        Column("resource", one.unit),
        Column("raw", "validation", row.unit),
        Column("best", "best so far", row.unit),
        "decision",
        Column("seconds", "time", "s"),
    ]
    page(facts, "curve", curve, columns, format)


def _varying(configs: Sequence[Mapping[str, Value]]) -> set[str]:
    """The parameters that do not have one value in all configs."""
    names = {name for config in configs for name in config}
    return {
        name
        for name in names
        if any(name not in config or config[name] != configs[0].get(name) for config in configs)
    }


def _layers(one: Any) -> str | None:
    """The network of a trial in the notation of IRNet's code, if that can say it."""
    from fesearch.family import FAMILIES

    if one.family not in FAMILIES.names():
        return None  # of a package or file that is not here
    layers = FAMILIES.get(one.family).layers
    return None if layers is None else layers(one.config)
