"""A report as one HTML file, and its figures as files of their own."""

import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fesearch import figures, toml
from fesearch.analysis import Column, Table
from fesearch.errors import InputError
from fesearch.family import amount
from fesearch.figures.style import compact
from fesearch.metrics import title_of
from fesearch.paths import atomic_folder, atomic_write
from fesearch.rank import Entry
from fesearch.record import TrialState
from fesearch.report.contents import Report, Section

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATE = "report.html.jinja"
SUFFIX = ".html"
LONGEST = 30  # rows of a table behind a picture
_DIGITS = 12  # of a hash, where the whole stands elsewhere


def render(report: Report) -> str:
    """The page: no script, no network; every text of the user's is escaped."""
    return _environment().get_template(TEMPLATE).render(report=report, **_words(report))


def write(report: Report, to: Path) -> None:
    """Write the page, whole or not at all; an older one is replaced.

    Raises:
        InputError: it cannot be written.
    """
    text = render(report)
    try:
        with atomic_write(to) as path:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(to, error) from error


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Each section's pictures as one PNG and one SVG, in a new folder, whole or not at all.

    Raises:
        InputError: the folder cannot be written, or is not empty.
    """
    names = []
    try:
        with atomic_folder(folder) as inside:
            for section in report.sections:
                one = section.analysis
                source = f"Source: {one.source}"
                sheet = figures.Sheet(one.title, one.question, source, section.panels)
                for suffix in (".png", ".svg"):
                    (inside / f"{one.name}{suffix}").write_bytes(figures.KINDS[suffix](sheet))
                    names.append(folder / f"{one.name}{suffix}")
    except OSError as error:
        raise _unwritable(folder, error) from error
    return names


def checked(to: Path, folder: Path | None) -> None:
    """Refuse what could not be written, before the work.

    Raises:
        InputError: the file is no HTML file or a folder, or the folder is taken.
    """
    if to.suffix.lower() != SUFFIX or to.is_dir():
        raise InputError(
            f"The report '{to}' is to be a file that ends in {SUFFIX}.",
            "Type: --to report.html (print it from the browser for a PDF)",
        )
    if folder is not None and folder.exists() and not _is_empty(folder):
        raise InputError(
            f"'{folder}' exists already and is not an empty folder.", "Choose another --figures."
        )


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"'{path}' cannot be written: {error.strerror}.", "Name another place.")


def _environment() -> "Environment":
    """Templates, in which every value is escaped and a missing one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    return environment


def _folder() -> Path:
    """Where the templates are: in the package, or beside it in a checkout."""
    inside = Path(str(resources.files("fesearch"))) / "dashboards"
    return inside if inside.is_dir() else inside.parent.parent / "dashboards"


def _words(report: Report) -> dict[str, Any]:
    """What the template says, ready to be printed."""
    table, best = report.tables[0], report.best
    key = table.summary.key
    unit = table.summary.unit
    alike = [one for one in report.studies.values() if one.row.key == key]
    trials = [trial for one in alike for trial in one.trials]
    return {
        "title": f"{table.data}: {key.target}",
        "metric": title_of(key.metric),
        "unit": unit,
        "best": best,
        "trained": amount(best.trial.resource, best.trial.unit),
        "against": list(table.entries[1:4]),
        "rankings": [_ranking(one) for one in report.tables],
        "sections": [_section(one, place) for place, one in enumerate(report.sections)],
        "studies": [_study(report, name) for name in report.studies],
        "compared": len(alike),
        "trials": len(trials),
        "failed": sum(trial.state is TrialState.FAIL for trial in trials),
        "time": _time(sum(trial.seconds for trial in trials)),
        "command": f"fesearch report {' '.join(map(_word, report.studies))} --to report.html",
    }


def _ranking(table: Any) -> dict[str, Any]:
    """A ranking as columns of words: what stands under one key, and its key."""
    key, unit = table.summary.key, table.summary.unit
    title, entries = title_of(key.metric), table.entries
    columns = [
        Column("#", [one.position for one in entries]),
        Column("study", [one.trial.study for one in entries]),
        Column("trial", [one.trial.number for one in entries]),
        Column("family", [one.trial.family for one in entries]),
        Column(f"validation {title}", [one.trial.value for one in entries], unit),
        Column(
            f"test {title}", ["sealed" if one.test is None else one.test for one in entries], unit
        ),
        Column("95 % of test MAE", [_interval(one) for one in entries], unit),
        Column("90 % intervals cover", [_covered(one) for one in entries]),
        Column("trained", [amount(one.trial.resource, one.trial.unit) for one in entries]),
        Column("parameters", [one.trial.parameters for one in entries]),
        Column("trials", [one.effort.trials for one in entries]),
        Column("search time", [one.effort.seconds for one in entries], "s"),
        Column(
            "note", ["searched after a look" if one.trial.after_look else "" for one in entries]
        ),
    ]
    shown = tuple(one for one in columns if any(value not in (None, "") for value in one.values))
    return {"table": Table(shown), "key": key, "division": table.division, "looks": table.looks}


def _interval(entry: Entry) -> str:
    """Of the test MAE; nothing where it is sealed."""
    found = entry.look.how.interval if entry.look else None
    return "" if found is None else f"{found[0]:.4g} to {found[1]:.4g}"


def _covered(entry: Entry) -> str:
    """The share of the test rows within their prediction intervals; nothing while sealed."""
    found = entry.look.how.coverage.get("0.9") if entry.look else None
    return "" if found is None else f"{found[0]:.1%} of test rows"


def _section(section: Section, place: int) -> dict[str, Any]:
    """A section with its pictures in line."""
    drawn = [
        {
            "panel": panel,
            "svg": figures.inline_svg(panel, f"s{place}p{number}"),
        }
        for number, panel in enumerate(section.panels)
    ]
    return {
        "analysis": section.analysis,
        "note": section.finding.note,
        "drawn": drawn,
        "summary": section.finding.summary,
        "detail": _head(section.finding.detail),
        "single": len(drawn) == 1 and not section.panels[0].wide,
        "left": max(len(section.finding.detail) - LONGEST, 0),
    }


def _head(table: Table) -> Table:
    return Table(tuple(Column(one.name, one.values[:LONGEST], one.unit) for one in table.columns))


def _study(report: Report, name: str) -> dict[str, Any]:
    """Every setting and hash of a study."""
    one = report.studies[name]
    row, division = one.row, one.division
    best = one.usable[0] if one.usable else None
    return {
        "name": name,
        "word": _word(name),
        "facts": {
            "state": row.state.value,
            "created": f"{row.created_at:%Y-%m-%d %H:%M} UTC",
            "data": f"{row.definition['study']['data']} (sha256 {row.key.data})",
            "target": f"{row.key.target}, scored by {row.key.metric}",
            "division": f"{division.spec} (fingerprint {division.fingerprint})",
            "rows": f"{division.n_train:,} to train, {division.n_val:,} to validate, "
            f"{division.n_test:,} to test",
            "features": f"{row.definition['study']['features']} (digest {row.features})",
            "seed": row.seed,
            "looks": len(one.looks) or "none: the test part is sealed",
            "versions": ", ".join(f"{name} {text}" for name, text in row.versions.items()),
        },
        "best": None if best is None else {"trial": best, "config": dict(best.config)},
        "file": toml.dumps(row.definition["study"]),
    }


def cell(value: Any) -> str:
    """A value as a table of the page shows it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return compact(round(value)) if abs(value) >= 10_000 else f"{value:.4g}".replace("-", "−")
    if isinstance(value, Mapping):
        given = {name: "none" if entry is None else entry for name, entry in value.items()}
        return ", ".join(f"{name}={cell(entry)}" for name, entry in given.items())
    return str(value)


def _time(seconds: float) -> str:
    """A time in words: 74 s, 12 minutes, 3.4 hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.3g} hours"


def _word(text: str) -> str:
    """A name as a shell reads it."""
    return shlex.quote(text)
