"""A report as one HTML file, and its figures as files of their own."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fesearch import figures, toml
from fesearch.analysis import Column, Table
from fesearch.errors import InputError
from fesearch.family import amount
from fesearch.metrics import title_of
from fesearch.paths import atomic_folder, atomic_write
from fesearch.ranking.lines import picked
from fesearch.ranking.published import beside, mae_unit
from fesearch.ranking.single import Table as Ranked
from fesearch.record import TrialState
from fesearch.report import models
from fesearch.report.contents import Report, in_order
from fesearch.report.rankings import ranking
from fesearch.report.sections import Missing, Section
from fesearch.report.templates import environment
from fesearch.store.types import Division, StudyRow

TEMPLATE = "report.html.jinja"
SUFFIX = ".html"
LONGEST = 30  # rows of a table behind a picture
_DIGITS = 12  # of a hash, where the whole stands elsewhere


def render(report: Report, at: datetime | None = None, every: float | None = None) -> str:
    """The page: no script, no network; every text of the user's is escaped.

    Args:
        at: when it is written, to be said on it; None, it is not said.
        every: seconds after which a browser is to load it again; None, it is not.
    """
    template = environment().get_template(TEMPLATE)
    return template.render(report=report, at=at, every=every, **_words(report))


def write(report: Report, to: Path, at: datetime | None = None, every: float | None = None) -> None:
    """Write the page, whole or not at all; an older one is replaced. See ``render``.

    Raises:
        InputError: it cannot be written.
    """
    text = render(report, at, every)
    try:
        with atomic_write(to) as path:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(to, error) from error


def write_figures(report: Report, folder: Path) -> list[Path]:
    """Each section's pictures as one PNG and one SVG, in a new folder, whole or not at all.

    Those of an exported model have its number before their names, as in model1_parity.png.

    Raises:
        InputError: the folder cannot be written, or is not empty.
    """
    names = []
    try:
        with atomic_folder(folder) as inside:
            for name, section in _named(report):
                one = section.analysis
                source = f"Source: {one.source}"
                sheet = figures.Sheet(one.title, one.question, source, section.panels)
                for suffix in (".png", ".svg"):
                    (inside / f"{name}{suffix}").write_bytes(figures.KINDS[suffix](sheet))
                    names.append(folder / f"{name}{suffix}")
    except OSError as error:
        raise _unwritable(folder, error) from error
    return names


def _named(report: Report) -> Iterator[tuple[str, Section]]:
    """Each section with a name for its files; of one in two parts, with the part."""
    groups = [("", report.sections)]
    groups += [(f"model{place}_", one.sections) for place, one in enumerate(report.models, 1)]
    for prefix, sections in groups:
        for one in sections:
            twice = sum(other.analysis.name == one.analysis.name for other in sections) > 1
            part = f"_{one.finding.part}" if twice else ""
            yield f"{prefix}{one.analysis.name}{part}", one


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


def _words(report: Report) -> dict[str, Any]:
    """What the template says, ready to be printed."""
    return {
        **(_ranked(report) if report.tables else {}),
        "sections": _sections(report.sections, report.skipped, "s"),
        "models": [_model(report, place) for place in range(len(report.models))],
        "studies": [_study(report, name) for name in report.studies],
        "command": _command(report),
    }


def _ranked(report: Report) -> dict[str, Any]:
    """The answer to which model is best, and what it was compared with."""
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
        "again": best.by_seed or best.joined,
        "against": list(table.entries[1:4]),
        "joint": _joint(table),
        "over": _over(report),
        "published": beside(report.beside, table),
        "published_unit": mae_unit(table),
        "rankings": [ranking(one, publication=report.beside) for one in report.tables],
        "repeated": [ranking(one, publication=report.beside) for one in report.repeated],
        "compared": len(alike),
        "trials": len(trials),
        "failed": sum(trial.state is TrialState.FAIL for trial in trials),
        "time": spent(sum(trial.seconds for trial in trials)),
    }


def _command(report: Report) -> str:
    """What writes the page again."""
    values = f" --beside {word(report.beside.given)}" if report.beside else ""
    names = [*report.studies, *(one.name for one in report.models)]
    return f"fesearch report {' '.join(map(word, names))} --to report.html{values}"


def _joint(table: Ranked) -> dict[str, Any] | None:
    """The best ensemble of a ranking; None where none of several models has a test score."""
    metric = table.key.metric
    several = [one for one in table.ensembles if len(one.picks) > 1 and metric in one.test]
    if not several:
        return None
    best = several[0]
    return {
        "picks": picked(best.picks),
        "test": best.test[metric].mean,
        "by_test": len(several) > 1 and metric not in best.validation,
    }


def _over(report: Report) -> dict[str, Any] | None:
    """The best over the repeated division that the first ranking's target was scored on."""
    key = report.tables[0].summary.key
    for table in report.repeated:
        position, best = table.ranked()[0]
        if replace(table.key, split=key.split) == key and key.metric in best.test:
            return {
                "family": best.family,
                "studies": ", ".join(best.studies),
                "test": best.test[key.metric],
                "divisions": len(best.scores),
                "by_test": len(table.contenders) > 1 and position is None,
                "flattered": best.flattered,
                "published": beside(report.beside, table),
            }
    return None


def _sections(
    found: Sequence[Section], missing: Sequence[Missing], prefix: str
) -> list[dict[str, Any]]:
    """Every analysis in the order of the page: its pictures, and what is missing among them.

    Args:
        prefix: of the ids of its drawings, which no other on the page has.
    """
    known = {one.analysis.name: one.analysis for one in found}
    known |= {one.analysis.name: one.analysis for one in missing}
    return [
        {
            "analysis": analysis,
            **pictures(
                [one for one in found if one.analysis.name == name],
                [one for one in missing if one.analysis.name == name],
                f"{prefix}{place}",
            ),
        }
        for place, (name, analysis) in enumerate(
            sorted(known.items(), key=lambda item: (in_order(item[0]), item[0]))
        )
    ]


def _model(report: Report, place: int) -> dict[str, Any]:
    """An exported model: what it is, and its pictures."""
    one = report.models[place]
    keys = {study.row.key for study in report.studies.values()}
    said = one.card
    place_of = (said.data.hash, said.target, said.split.fingerprint)
    alike = place_of in {(key.data, key.target, key.split) for key in keys}
    return {
        "model": one,
        "facts": models.facts(said),
        "elsewhere": bool(keys) and not alike,
        "sections": _sections(one.sections, one.missing, f"m{place}s"),
    }


def pictures(found: Sequence[Section], missing: Sequence[Missing], prefix: str) -> dict[str, Any]:
    """One analysis with its pictures in line, of each part whose rows they are of.

    Args:
        prefix: of the ids of its drawings.
    """
    drawn = [_in_line(one, f"{prefix}{chr(97 + place)}") for place, one in enumerate(found)]
    narrow = all(len(one.panels) == 1 and not one.panels[0].wide for one in found)
    parts = {"single": narrow and len(found) == 1, "beside": narrow and len(found) > 1}
    return {"drawn": drawn, "missing": missing, **parts}


def _in_line(section: Section, prefix: str) -> dict[str, Any]:
    return {
        "analysis": section.analysis,
        "note": section.finding.note,
        "part": section.finding.part,
        "undrawn": section.finding.undrawn,
        "drawn": [
            {"panel": panel, "svg": figures.inline_svg(panel, f"{prefix}{number}")}
            for number, panel in enumerate(section.panels)
        ],
        "summary": section.finding.summary,
        "detail": _head(section.finding.detail),
        "left": max(len(section.finding.detail) - LONGEST, 0),
    }


def _head(table: Table) -> Table:
    return Table(tuple(Column(one.name, one.values[:LONGEST], one.unit) for one in table.columns))


def facts(row: StudyRow, division: Division, looks: int) -> dict[str, Any]:
    """What tells a study from all others, in words.

    Args:
        looks: at the test part, of whatever study.
    """
    return {
        "state": row.state.value,
        "created": f"{row.created_at:%Y-%m-%d %H:%M} UTC",
        "data": f"{row.definition['study']['data']} (sha256 {row.key.data})",
        "target": f"{row.key.target}, scored by {row.key.metric}",
        "division": f"{division.spec} (fingerprint {division.fingerprint})",
        "rows": f"{division.n_train:,} to train, {division.n_val:,} to validate, "
        f"{division.n_test:,} to test",
        "features": f"{row.definition['study']['features']} (digest {row.features})",
        "seed": row.seed,
        "looks": looks or "none: the test part is sealed",
        "versions": ", ".join(f"{name} {text}" for name, text in row.versions.items()),
    }


def _study(report: Report, name: str) -> dict[str, Any]:
    """Every setting and hash of a study."""
    one = report.studies[name]
    best = one.usable[0] if one.usable else None
    return {
        "name": name,
        "word": word(name),
        "facts": facts(one.row, one.division, one.looked),
        "best": None if best is None else {"trial": best, "config": dict(best.config)},
        "file": toml.dumps(one.row.definition["study"]),
    }


def spent(seconds: float) -> str:
    """A time in words: 74 s, 12 minutes, 3.4 hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.3g} hours"


def word(text: str) -> str:
    """A name as a shell reads it."""
    return shlex.quote(text)
