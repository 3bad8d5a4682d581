"""``fesearch study start --dry-run``: the resolved study, and what it would take."""

import math
from typing import Any

from fesearch.cli.output import Format, detail, progress, say
from fesearch.estimate import Range
from fesearch.study import Study


def show_outlook(study: Study, format: Format) -> None:
    """Print every key of a study and an estimate of hours, memory and disk; start nothing."""
    from fesearch.search import dry

    with progress("features", "compounds") as report:
        outlook = dry.run(study, report)
    resolved = outlook.prepared.study
    facts: dict[str, Any] = resolved.model_dump(mode="json")
    facts["space"] = {name: str(entry) for name, entry in outlook.prepared.space.parameters.items()}
    facts["trials"] = resolved.budget()
    facts["max_epochs"] = resolved.end()
    measured = {
        "side_by_side": outlook.parallel,
        "measured_configs": outlook.configs,
        "hours": _plain(outlook.seconds, 3600),
        "trials_in_time": _plain(outlook.trials, 1),
        "memory_gb": _plain(outlook.memory, 1e9),
        "free_memory_gb": outlook.free_memory / 1e9,
        "disk_gb": _plain(outlook.disk, 1e9),
        "free_disk_gb": outlook.free_disk / 1e9,
    }
    if format != "table":
        detail({**facts, "estimate": {**measured, "warnings": list(outlook.warnings)}}, format)
        return
    detail(facts)
    print()
    detail(
        {
            "side_by_side": f"{outlook.parallel} trials",
            "measured": f"{outlook.configs} configs, for a step or two each",
            "time": _shown(outlook.seconds, *_scale(outlook.seconds)),
            **({"trials in time": _shown(outlook.trials, 1, "")} if outlook.trials else {}),
            "memory": f"{_shown(outlook.memory, 1e9, 'GB')}, "
            f"{outlook.free_memory / 1e9:.3g} GB are free",
            "disk": f"{_shown(outlook.disk, 1e9, 'GB')}, {outlook.free_disk / 1e9:.3g} GB are free",
        }
    )
    say(*outlook.warnings, "Nothing was started.")


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
