"""Validation error while training, by depth and shortcut: Jha et al. 2019, Figs. 2 to 4.

The paper plots test errors; these are of the validation part. A curve is the best trial of its
family, depth and place of batch norm; families differ in their shortcuts.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import InputError
from fesearch.metrics import title_of
from fesearch.record import TrialResult
from fesearch.subject import Subject, searches

if TYPE_CHECKING:
    from fesearch.figures import Panel

MOST = 12
"""Curves of a picture; the best ones."""


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """The curve of the best trial of each family, depth and norm.

    Raises:
        InputError: the studies are not on one division, or no trial has reported.
    """
    found = searches(subjects, lambda key: key)
    row = found[0].row
    sign = 1.0 if row.direction == "minimize" else -1.0
    groups: dict[str, list[tuple[float, str, TrialResult]]] = {}
    for one in found:
        for trial in one.usable:
            assert trial.value is not None, "a usable trial has a value"
            groups.setdefault(_label(trial), []).append((sign * trial.value, one.row.name, trial))
    if not groups:
        raise InputError(
            f"No trial of '{row.name}' has a curve yet.", f"See: fesearch trials {row.name}"
        )
    reports = {one.row.name: one.reports for one in found}
    summary, rows = [], []
    for label, trials in sorted(groups.items(), key=lambda item: min(t[:2] for t in item[1])):
        _, study, best = min(trials, key=lambda item: (item[0], item[1], item[2].number))
        curve = [report for report in reports[study] if report.number == best.number]
        value, at = best.value, best.best_resource
        summary.append(
            [label, study, best.number, len(trials), value, at, best.resource, best.unit]
        )
        rows += [[label, best.unit, one.resource, one.raw, one.best] for one in curve]
    unit, metric = row.unit, row.key.metric
    return Finding(
        summary=Table.of(
            summary,
            "curve",
            "study",
            "trial",
            "of_trials",
            (f"best_{metric}", unit),
            "at",
            "of",
            "unit",
        ),
        detail=Table.of(
            rows, "curve", "unit", "resource", (f"val_{metric}", unit), (f"best_{metric}", unit)
        ),
        note=f"Validation {title_of(metric)} of the best trial of each kind, best kind first; a "
        "trial goes on from another's end where it continues one.",
    )


def panels(finding: Finding) -> "list[Panel]":
    """A picture for each unit, such as epochs or trees, that is trained in."""
    from fesearch.figures import Line, lines

    score, metric = finding.detail.columns[3], finding.detail.columns[3].name.removeprefix("val_")
    drawn = []
    for unit, every in finding.detail.groups("unit").items():
        curves = list(every.groups("curve").items())
        left = f" The best {MOST} of {len(curves)} kinds." if len(curves) > MOST else ""
        drawn.append(
            lines(
                [
                    Line(label, one["resource"], one[score.name], _end(one, score.name))
                    for label, one in curves[:MOST]
                ],
                title=f"Training by {unit}",
                note=f"{finding.note}{left}",
                x=unit,
                y=f"validation {title_of(metric)} ({score.unit})",
                log_y=metric != "r2",
            )
        )
    return drawn


def _end(curve: Table, name: str) -> tuple[float, float, str] | None:
    """A dot for a curve of one report, which is no line."""
    values: Sequence[float] = curve[name]
    return (curve["resource"][0], values[0], "") if len(values) == 1 else None


def _label(trial: TrialResult) -> str:
    """Family, and depth and norm where the config has them."""
    said = [trial.family]
    if trial.config.get("depth") is not None:
        said.append(f"{trial.config['depth']} layers")
    if trial.config.get("norm") is not None:
        said.append(f"norm {trial.config['norm']}")
    return " ".join(said)


ANALYSIS = Analysis(
    name="training_curves",
    title="Training curves",
    question="How do depth and shortcuts change training, and was it long enough?",
    source="Jha et al. 2019, Figs. 2, 3 and 4",
    reads="searches",
    example="fesearch analyse training_curves PLAIN_MLP SRNET IRNET --to curves.png",
    find=find,
    panels=panels,
)
