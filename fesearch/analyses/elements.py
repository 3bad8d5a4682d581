"""The error by element against how often the element occurs: Huang and Ling 2020, Fig. 5."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fesearch import formula
from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.examined import Examined, Part
from fesearch.subject import Subject, models

if TYPE_CHECKING:
    from fesearch.figures import Panel

RARE = 3000
"""Training rows from which on an element is learned well (there: about 3,000 to 5,000)."""
FEWEST = 5
"""Rows that say something of an element; of fewer the error is in the table alone."""


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """MAE of the rows with each element, and how many training rows have it."""
    every = models(subjects)
    summary, rows = [], []
    for one in every:
        part = one.part(settings.part)
        own = _by_element(one, part)
        rows += own
        error = float(np.abs(part.error).mean())
        rare = [line[4] for line in own if line[2] < RARE and line[3] >= FEWEST]
        known = [line[4] for line in own if line[2] >= RARE and line[3] >= FEWEST]
        summary.append(
            [part.label, len(own), error, len(rare), _mean(rare), len(known), _mean(known)]
        )
    unit = every[0].unit
    return Finding(
        summary=Table.of(
            summary,
            "model",
            "elements",
            ("mae", unit),
            f"elements_below_{RARE}_training_rows",
            ("their_mean_mae", unit),
            "other_elements",
            ("mean_mae_of_others", unit),
        ),
        detail=Table.of(
            rows, "model", "element", "training_rows", "rows", ("mae", unit), ("mean_error", unit)
        ),
        note=f"A row of the {settings.part} part counts for each of its elements. Elements in "
        f"fewer than {FEWEST} of these rows are not drawn, where others are in more.",
        part=settings.part,
    )


def panels(finding: Finding) -> "list[Panel]":
    """A periodic table of the first model, all models by occurrence, and each against the first."""
    from fesearch.figures import Point, periodic_table, points

    unit = finding.detail.columns[4].unit
    told: dict[str, dict[str, float]] = {}
    seen: dict[str, int] = {}
    enough = min(FEWEST, max(finding.detail["rows"]))  # of little data all are drawn
    for line in finding.detail.rows():
        if line["rows"] >= enough:
            told.setdefault(line["model"], {})[line["element"]] = line["mae"]
            seen[line["element"]] = max(line["training_rows"], 1)
    means = dict(zip(finding.summary["model"], finding.summary["mae"], strict=True))
    drawn: list[Panel] = []
    for place, (label, maes) in enumerate(told.items()):
        if place == 0:
            drawn.append(
                periodic_table(
                    maes,
                    title=f"Error by element: {label}",
                    note=finding.note,
                    label=f"MAE ({unit})",
                    text="{:.3f}".format,
                )
            )
        drawn.append(
            points(
                [Point(symbol, seen[symbol], mae) for symbol, mae in maes.items()],
                title=f"Error by occurrence: {label}",
                note=f"The dashed line is the MAE of all {finding.part} rows, "
                f"{means[label]:.3g} {unit}.",
                x="training rows with the element",
                y=f"MAE ({unit})",
                log_x=True,
                level=means[label],
            )
        )
    (first, reference), *others = told.items() or [("", {})]
    for label, maes in others:
        both = [symbol for symbol in reference if symbol in maes]
        drawn.append(
            points(
                [Point(symbol, reference[symbol], maes[symbol]) for symbol in both],
                title="One model against the other, by element",
                note=f"Below the line {label} is better than {first} on {finding.part} rows.",
                x=f"MAE of {first} ({unit})",
                y=f"MAE of {label} ({unit})",
                diagonal=True,
            )
        )
    return drawn


def _by_element(one: Examined, part: Part) -> list[list[Any]]:
    """Label, symbol, training rows, rows, MAE and mean error of each element, by atomic number."""
    rows: dict[str, list[int]] = {}
    for place, row in enumerate(part.rows.tolist()):
        for symbol in formula.symbols(one.data.reduced[row]):
            rows.setdefault(symbol, []).append(place)
    found: list[list[Any]] = []
    seen = one.seen_by(part)
    for symbol in formula.ELEMENTS:
        if symbol in rows:
            error = part.error[rows[symbol]]
            mae, mean = float(np.abs(error).mean()), float(error.mean())
            found.append([part.label, symbol, seen.get(symbol, 0), error.size, mae, mean])
    return found


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


ANALYSIS = Analysis(
    name="elements",
    title="Error by element",
    question="Which elements does a model know badly, and had it seen enough of them?",
    source="Huang and Ling 2020, Fig. 5",
    reads="models",
    example="fesearch analyse elements STUDY --to elements.png",
    find=find,
    panels=panels,
    takes=("part",),
    of_predictions=True,
)
