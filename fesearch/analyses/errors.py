"""How absolute errors are distributed: after Fig. 5 of Jha et al. 2019 (IRNet)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.subject import Subject, models

if TYPE_CHECKING:
    from fesearch.figures import Panel

PERCENTILE = 90
"""Of which the paper tells the error: 0.081 eV/atom of IRNet, 0.158 of a random forest."""
_SHOWN = 99  # percent of the rows that the picture shows


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """The error that 1, 2 … 100 percent of the rows do not exceed."""
    every = models(subjects)
    shares = np.arange(1, 101)
    summary, rows = [], []
    for one in every:
        part = one.part(settings.part)
        error = np.abs(part.error)
        low, high = np.percentile(error, (50, PERCENTILE))
        summary.append(
            [
                part.label,
                error.size,
                float(error.mean()),
                float(low),
                float(high),
                float(error.max()),
            ]
        )
        at = np.percentile(error, shares).tolist()
        rows += [[part.label, *pair] for pair in zip(shares.tolist(), at, strict=True)]
    unit = every[0].unit
    names = ("mae", "median", f"p{PERCENTILE}", "largest")
    return Finding(
        summary=Table.of(summary, "model", "rows", *((name, unit) for name in names)),
        detail=Table.of(rows, "model", ("share", "%"), ("error_at_most", unit)),
        note=f"Absolute errors on the {settings.part} part.",
        part=settings.part,
    )


def panels(finding: Finding) -> "list[Panel]":
    """The cumulative distributions, and where 90 % of the rows lie."""
    from fesearch.figures import Line, lines

    unit = finding.detail.columns[2].unit
    drawn, most, told = [], 0.0, []
    for label, rows in finding.detail.groups("model").items():
        share, error = rows["share"], rows["error_at_most"]
        at = float(error[PERCENTILE - 1])
        most = max(most, float(error[_SHOWN - 1]))
        told.append(f"{label}: {at:.3g}")
        drawn.append(Line(label, error, share, (at, PERCENTILE, f"{at:.3g} {unit}")))
    note = f"{PERCENTILE} % of the {finding.part} rows are within, in {unit}: {'; '.join(told)}."
    return [
        lines(
            drawn,
            title="Distribution of errors",
            note=note,
            x=f"absolute error ({unit})",
            y="rows with at most this error (%)",
            limits=(0, most or 1.0),
        )
    ]


ANALYSIS = Analysis(
    name="errors",
    title="Distribution of errors",
    question="Within which error are most rows, and how long is the tail?",
    source="Jha et al. 2019, Fig. 5",
    reads="models",
    example="fesearch analyse errors STUDY OTHER --to errors.png",
    find=find,
    panels=panels,
    takes=("part",),
    of_predictions=True,
)
