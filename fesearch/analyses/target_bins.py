"""The error by where the target lies: after Fig. 1c of Huang and Ling 2020."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import InputError
from fesearch.subject import Subject, models

if TYPE_CHECKING:
    from fesearch.figures import Panel

_TAIL = 0.5  # percent of the rows on each side that share a bin with what is next to them


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """MAE in bins of the target, and what rows with a positive target add to it.

    Raises:
        InputError: fewer bins than two are asked for.
    """
    if settings.bins < 2:
        raise InputError(f"{settings.bins} bins are asked for.", "Give --bins 2 or more.")
    every = models(subjects)
    edges = _edges(every[0].part(settings.part).truth, settings.bins)
    summary, rows = [], []
    for one in every:
        part = one.part(settings.part)
        error, positive = np.abs(part.error), part.truth > 0
        added = float(error[positive].sum() / error.size)
        summary.append(
            [
                part.label,
                error.size,
                float(error.mean()),
                float(positive.mean()),
                _mean(error[positive]),
                added,
                added / float(error.mean()) if error.any() else None,
            ]
        )
        place = np.searchsorted(edges[1:-1], part.truth, side="right")
        for index in range(settings.bins):
            inside = place == index
            rows.append(
                [
                    part.label,
                    float(edges[index]),
                    float(edges[index + 1]),
                    int(inside.sum()),
                    _mean(error[inside]),
                    _mean(part.error[inside]),
                    float(error[inside].sum() / error.size),
                ]
            )
    unit = every[0].unit
    return Finding(
        summary=Table.of(
            summary,
            "model",
            "rows",
            ("mae", unit),
            "share_positive",
            ("mae_positive", unit),
            ("positive_adds_to_mae", unit),
            "positive_share_of_mae",
        ),
        detail=Table.of(
            rows,
            "model",
            ("from", unit),
            ("to", unit),
            "rows",
            ("mae", unit),
            ("mean_error", unit),
            ("adds_to_mae", unit),
        ),
        note=f"Rows of the {settings.part} part by their true target; the first and last bin have "
        "all that lie beyond them.",
        part=settings.part,
    )


def panels(finding: Finding) -> "list[Panel]":
    """All models in one."""
    from fesearch.figures import Steps, binned

    unit = finding.detail.columns[1].unit
    groups = finding.detail.groups("model")
    first = next(iter(groups.values()))
    edges = np.array([*first["from"], first["to"][-1]], dtype=float)
    share, added = finding.summary["share_positive"][0], finding.summary["positive_adds_to_mae"][0]
    return [
        binned(
            edges,
            np.asarray(first["rows"], dtype=float),
            [Steps(label, np.array(one["mae"], dtype=float)) for label, one in groups.items()],
            title="Error by target",
            note=f"{100 * share:.1f} % of the {finding.part} rows have a positive target; in the "
            f"first model they make up {added:.3g} {unit} of the MAE. Grey: how many rows lie "
            "there.",
            x=f"true target ({unit})",
            y=f"MAE ({unit})",
        )
    ]


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None


def _edges(truth: np.ndarray, bins: int) -> np.ndarray:
    """Ends of equal bins about all but the outermost rows, (bins + 1,)."""
    low, high = np.percentile(truth, (_TAIL, 100 - _TAIL))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


ANALYSIS = Analysis(
    name="target_bins",
    title="Error by target",
    question="Where on the scale of the target does a model fail?",
    source="Huang and Ling 2020, Fig. 1c and section III A",
    reads="models",
    example="fesearch analyse target_bins STUDY --bins 20 --to target_bins.png",
    find=find,
    panels=panels,
    takes=("part", "bins"),
    of_predictions=True,
)
