"""How much of an element a model must have seen: Huang and Ling 2020, Fig. 4.

The rows asked are those that would validate if nothing were left out: no model here has been
trained on any of them, whatever share it was given, and none is of the test part.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import InputError
from fesearch.examined import Examined
from fesearch.split import make
from fesearch.splits.leave_element import LeaveElementSplit
from fesearch.splitspec import SplitSpec
from fesearch.subject import Subject

if TYPE_CHECKING:
    from fesearch.figures import Panel


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """MAE on rows with the element and on rows without it, by how many were in training.

    Raises:
        InputError: a study is on another kind of division, or they differ in more than ``kept``.
    """
    every = [one.examined for one in subjects]
    specs = [_spec(one) for one in every]
    for one, spec in zip(every[1:], specs[1:], strict=True):
        whole = [_whole(each) for each in (specs[0], spec)]
        here = (every[0].key.data, every[0].key.target)
        if whole[0] != whole[1] or (one.key.data, one.key.target) != here:
            raise InputError(
                f"'{every[0].label}' and '{one.label}' are on {whole[0]} and {whole[1]}, or on "
                "different data.",
                "Give studies of one data set and target whose --split differs in kept=… alone.",
            )
    asked = make(every[0].data, _whole(specs[0]), target=every[0].key.target).val
    symbol = re.compile(rf"{specs[0].element}(?![a-z])")
    having = np.array([symbol.search(text) is not None for text in every[0].data.reduced])
    rows = sorted(
        (_line(one, spec, asked, having) for one, spec in zip(every, specs, strict=True)),
        key=lambda row: (row[0], row[1], row[2]),
    )
    unit, element = every[0].unit, specs[0].element
    counts = int(having[asked].sum()), int((~having[asked]).sum())
    detail = Table.of(
        rows,
        "family",
        "kept",
        "training_rows_with",
        ("mae_with", unit),
        ("mae_without", unit),
        "model",
    )
    summary = Table.of(
        [[element, *counts, len(rows)]], "element", "rows_with", "rows_without", "models"
    )
    return Finding(
        summary,
        detail,
        f"MAE on {counts[0]:,} validation rows with {element} and {counts[1]:,} without, the same "
        "for all models, none of them in the training of any.",
    )


def _whole(spec: LeaveElementSplit) -> LeaveElementSplit:
    """A division with all rows of the element."""
    return replace(spec, kept=1.0)


def panels(finding: Finding) -> "list[Panel]":
    """Both errors of each family by training rows with the element."""
    from fesearch.figures import Line, lines

    unit, element = finding.detail.columns[3].unit, finding.summary["element"][0]
    groups = finding.detail.groups("family")
    drawn = []
    for family, one in groups.items():
        of = f", {family}" if len(groups) > 1 else ""
        for name, words in (("mae_with", "with"), ("mae_without", "without")):
            drawn.append(Line(f"rows {words} {element}{of}", one["training_rows_with"], one[name]))
    return [
        lines(
            drawn,
            title=f"{element} left out and brought back",
            note=finding.note,
            x=f"training rows with {element}",
            y=f"MAE ({unit})",
            dots=True,
        )
    ]


def _spec(one: Examined) -> LeaveElementSplit:
    spec = SplitSpec.parse(one.split.spec)
    if not isinstance(spec, LeaveElementSplit):
        raise InputError(
            f"'{one.label}' is on the division {spec}, which leaves no element out.",
            f"Search on one that does: {ANALYSIS.example}",
        )
    return spec


def _line(
    one: Examined, spec: LeaveElementSplit, asked: np.ndarray, having: np.ndarray
) -> tuple[str, float, int, float | None, float | None, str]:
    if np.intersect1d(one.split.train, asked).size:
        raise InputError(
            f"'{one.label}' was trained on rows that are to be asked for.",
            "Give studies of one seed and group.",
        )
    part = one.at(asked)
    error, mask = np.abs(part.error), having[asked]
    seen = int(having[one.split.train].sum())
    maes = [float(error[some].mean()) if some.any() else None for some in (mask, ~mask)]
    return (one.family, spec.kept, seen, maes[0], maes[1], one.label)


ANALYSIS = Analysis(
    name="leave_element",
    title="Element left out and brought back",
    question="How many compounds of an element must a model have seen?",
    source="Huang and Ling 2020, Fig. 4",
    reads="series",
    whole=lambda spec: _whole(spec) if isinstance(spec, LeaveElementSplit) else None,
    example="for k in 0 0.1 0.3 1; do fesearch study start dnn "
    "--split leave_element:element=Mg,kept=$k --name mg-$k; done; "
    "fesearch analyse leave_element mg-0 mg-0.1 mg-0.3 mg-1 --to mg.png",
    find=find,
    panels=panels,
)
