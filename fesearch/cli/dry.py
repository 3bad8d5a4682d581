"""``fesearch study start --dry-run``: the resolved study, and what it would take."""

import math
from typing import TYPE_CHECKING, Any

from fesearch.cli.output import Format, detail, page, progress, say
from fesearch.cli.portfolio import LeftOut
from fesearch.errors import counted
from fesearch.estimate import Range
from fesearch.portfolio import Portfolio
from fesearch.study import Study

if TYPE_CHECKING:
    from fesearch.search.dry import Outlook, Total


def show_outlook(study: Study, format: Format) -> None:
    """Print every key of a study and an estimate of hours, memory and disk; start nothing."""
    from fesearch.search import dry

    with progress("features", "compounds") as report:
        outlook = dry.run(study, report)
    if format != "table":
        detail(_facts(outlook), format)
        return
    detail(_keys(outlook))
    print()
    taken = _taken(outlook)
    detail(
        {
            "side_by_side": counted(outlook.parallel, "trial"),
            "measured": f"{counted(outlook.configs, 'config')}, for a step or two each",
            "time": taken["time"],
            **({"trials in time": _shown(outlook.trials, 1, "")} if outlook.trials else {}),
            "memory": f"{taken['memory']}, {outlook.free_memory / 1e9:.3g} GB are free",
            "disk": f"{taken['disk']}, {outlook.free_disk / 1e9:.3g} GB are free",
        }
    )
    say(*outlook.why, *outlook.warnings, "Nothing was started.")


def show_outlooks(made: Portfolio, format: Format) -> None:
    """Print what the first share of each family would take, and what all would; start nothing."""
    from fesearch.search import dry

    rows: list[dict[str, Any]] = []
    warnings: dict[str, None] = {}

    def told(outlook: "Outlook") -> None:
        warnings.update(dict.fromkeys(outlook.warnings))
        line = {"name": outlook.prepared.study.name, "side_by_side": outlook.parallel}
        rows.append({**line, **_taken(outlook)} if format == "table" else _facts(outlook))

    missing = LeftOut()
    with progress("features", "compounds") as report:
        total = dry.run_all(made, told, missing.note, report)
    taken = _taken(total) if format == "table" else {"estimate": _measured(total)}
    facts = {"name": made.name, "left_out": missing.why, **taken}
    shown = ["side_by_side", "time", "memory", "disk"] if format == "table" else []
    page(facts, "families", rows, ["name", *shown], format)
    say(*warnings, "Nothing was started.")


def _keys(outlook: "Outlook") -> dict[str, Any]:
    """Every key of a study, resolved."""
    resolved = outlook.prepared.study
    keys: dict[str, Any] = resolved.model_dump(mode="json")
    keys["space"] = {name: str(entry) for name, entry in outlook.prepared.space.parameters.items()}
    keys["trials"] = resolved.budget()
    keys["max_epochs"] = resolved.end()
    return keys


def _facts(outlook: "Outlook") -> dict[str, Any]:
    """Keys and estimate, as JSON has them."""
    estimate = {
        "side_by_side": outlook.parallel,
        "measured_configs": outlook.configs,
        **_measured(outlook),
        "trials_in_time": _plain(outlook.trials, 1),
        "free_memory_gb": outlook.free_memory / 1e9,
        "free_disk_gb": outlook.free_disk / 1e9,
        "warnings": list(outlook.warnings),
    }
    return {**_keys(outlook), "estimate": estimate}


def _measured(found: "Outlook | Total") -> dict[str, Any]:
    return {
        "hours": _plain(found.seconds, 3600),
        "memory_gb": _plain(found.memory, 1e9),
        "disk_gb": _plain(found.disk, 1e9),
    }


def _taken(found: "Outlook | Total") -> dict[str, str]:
    """Time, memory and disk in words."""
    return {
        "time": _shown(found.seconds, *_scale(found.seconds)),
        "memory": _shown(found.memory, 1e9, "GB"),
        "disk": _shown(found.disk, 1e9, "GB"),
    }


def _scale(seconds: Range) -> tuple[float, str]:
    if seconds.low >= 3600:
        return 3600, "hours"
    return (60, "minutes") if seconds.low >= 60 else (1, "seconds")


def _shown(found: Range, unit: float, name: str) -> str:
    """A range in words; two digits say all that is known."""
    low, high = found.low / unit, found.high / unit
    if math.isinf(high):
        return f"more than {low:.2g} {name}".rstrip()
    words = [f"{value:.0f}" if value >= 10 else f"{value:.2g}" for value in (low, high)]
    return f"{' to '.join(dict.fromkeys(words))} {name}".rstrip()


def _plain(found: Range | None, unit: float) -> list[float] | None:
    """For JSON, which has no word for infinite."""
    return None if found is None else [found.low / unit, found.high / unit]
