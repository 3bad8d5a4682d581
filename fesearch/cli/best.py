"""``fesearch best``: the best trial of a study, and those that cost less."""

from typing import Annotated

import typer

from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import Column, detail, page, say
from fesearch.metrics import title_of
from fesearch.paths import storage_url

_COLUMNS = {
    "parameters": Column("parameters"),
    "seconds": Column("seconds", unit="s"),
    "latency": Column("latency_us", "predicts a row in", "µs"),
}


def best(
    study: Annotated[
        str,
        typer.Argument(help="Its name, as in `fesearch study list`, or of a search over families."),
    ],
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """The best trial of a study by validation, and its config.

    For a study with objectives beside the metric, also the trials that no other one beats in all.
    """
    from fesearch.finalists import ranked_together
    from fesearch.front import front
    from fesearch.store.results import Store

    with Store.look(storage_url(storage)) as store:
        pairs = ranked_together(store, store.named([study]))
    row, found = pairs[0]
    studies = {id(trial): one for one, trial in pairs}
    trials = [trial for _, trial in pairs]
    value = f"val_{row.key.metric}"
    facts = {
        "study": row.name,
        "trial": found.number,
        "state": found.state.value,
        "family": found.family,
        value: found.value,
        "resource": found.resource,
        "seconds": found.seconds,
        "parameters": found.parameters,
        "after_look": found.after_look,
        "config": dict(found.config),
        "next": f"fesearch export {row.name} --to {row.name}-model",
    }
    if format != "table":
        facts |= {"latency_us": found.latency_us, "unit": found.unit, "value_unit": row.unit}
    units = {value: row.unit, "resource": found.unit, "seconds": "s"}
    objectives = row.definition["study"].get("objectives", [])
    if not objectives:
        detail(facts, format, units)
        return
    rows = [
        {
            "study": studies[id(one)].name,
            "trial": one.number,
            "value": one.value,
            "parameters": one.parameters,
            "seconds": one.seconds,
            "latency_us": one.latency_us,
            "resource": one.resource,
            "unit": one.unit,
            "state": one.state.value,
            "config": dict(one.config),
        }
        for one in front(trials, objectives, row.direction)
    ]
    many = row.name != study
    shown: list[Column | str] = [
        *(["study"] if many else []),
        "trial",
        Column("value", f"validation {title_of(row.key.metric)}", row.unit),
        *(_COLUMNS[name] for name in objectives),
        *(["resource", "unit"] if many else [Column("resource", found.unit)]),
        "state",
        "config",
    ]
    page(facts, "front", rows, shown, format, units)
    unknown = sum(any(getattr(one, name) is None for name in objectives) for one in trials)
    if unknown:
        say(f"Not on the front, for want of {' or '.join(objectives)}: {unknown} of {len(trials)}.")
