"""``fesearch best``: the best trial of a study."""

from typing import Annotated

import typer

from fesearch.cli.options import FormatOption, StorageOption
from fesearch.cli.output import detail
from fesearch.paths import storage_url


def best(
    study: Annotated[str, typer.Argument(help="Its name, as in `fesearch study list`.")],
    storage: StorageOption = None,
    format: FormatOption = "table",
) -> None:
    """The best trial of a study by validation, and its config."""
    from fesearch.finalists import ranked
    from fesearch.store.results import Store

    with Store.look(storage_url(storage)) as store:
        row = store.study(study)
        found = ranked(store, row)[0]
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
        facts |= {"unit": found.unit, "value_unit": row.unit}
    detail(facts, format, {value: row.unit, "resource": found.unit, "seconds": "s"})
