"""The templates under ``dashboards/``: where they are, and how a value is printed in them."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fesearch.figures.style import compact
from fesearch.paths import dashboards

if TYPE_CHECKING:
    from jinja2 import Environment


def environment() -> "Environment":
    """Templates, in which every value is escaped and a missing one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(dashboards()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    return environment


def cell(value: Any) -> str:
    """A value as a table of the page shows it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("-", "−")
    if isinstance(value, float):
        return compact(round(value)) if abs(value) >= 10_000 else f"{value:.4g}".replace("-", "−")
    if isinstance(value, Mapping):
        given = {name: "none" if entry is None else entry for name, entry in value.items()}
        return ", ".join(f"{name}={cell(entry)}" for name, entry in given.items())
    return str(value)
