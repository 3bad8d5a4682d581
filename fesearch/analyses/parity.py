"""Predictions against what is true, row by row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.metrics import METRICS
from fesearch.subject import Subject, models

if TYPE_CHECKING:
    from fesearch.figures import Panel


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """Truth and prediction of every row of the part, and all metrics of each model."""
    summary, rows = [], []
    every = models(subjects)
    for one in every:
        part = one.part(settings.part)
        scores = [metric(part.truth, part.predicted) for metric in METRICS.values()]
        summary.append([part.label, len(part.rows), *scores, float(part.error.mean())])
        ids = [one.data.ids[row] for row in part.rows]
        formulas = [one.data.formulas[row] for row in part.rows]
        pairs = zip(ids, formulas, part.truth.tolist(), part.predicted.tolist(), strict=True)
        rows += [[part.label, *pair] for pair in pairs]
    unit = every[0].unit
    return Finding(
        summary=Table.of(
            summary,
            "model",
            "rows",
            *((metric.name, metric.in_unit(unit)) for metric in METRICS.values()),
            ("mean_error", unit),
        ),
        detail=Table.of(rows, "model", "id", "formula", ("true", unit), ("predicted", unit)),
        note=f"Rows of the {settings.part} part. The mean error is prediction less truth.",
        part=settings.part,
    )


def panels(finding: Finding) -> "list[Panel]":
    """One for each model."""
    import numpy as np

    from fesearch.figures import density

    unit = finding.summary.columns[2].unit
    lines = finding.summary.groups("model")
    return [
        density(
            np.asarray(rows["true"], dtype=float),
            np.asarray(rows["predicted"], dtype=float),
            title=f"Parity: {label}",
            note=f"MAE {lines[label]['mae'][0]:.4g} {unit}, R² {lines[label]['r2'][0]:.3f} "
            f"on {finding.part} rows.",
            x_axis=f"true ({unit})",
            y_axis=f"predicted ({unit})",
        )
        for label, rows in finding.detail.groups("model").items()
    ]


ANALYSIS = Analysis(
    name="parity",
    title="Parity",
    question="How do predictions lie about the truth, and which rows are far off?",
    source="Jha et al. 2019 and others",
    reads="models",
    example="fesearch analyse parity STUDY --to parity.png",
    find=find,
    panels=panels,
    takes=("part",),
    of_predictions=True,
)
