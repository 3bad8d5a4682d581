"""The error by number of training rows, for several families: Huang and Ling 2020, Fig. 2a."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import InputError
from fesearch.metrics import title_of
from fesearch.record import nothing_usable
from fesearch.splitspec import SplitSpec
from fesearch.subject import Searched, Subject, searches

if TYPE_CHECKING:
    from fesearch.figures import Panel


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """The best score of each study by its number of training rows, family by family.

    Raises:
        InputError: the studies are not of one metric and data set, their divisions differ by more
            than ``train``, or they are all of one size.
        NoResultError: one of them has no usable trial.
    """
    found = searches(subjects, lambda key: (key.data, key.target, key.metric))
    _refuse_others(found)
    sign = 1.0 if found[0].row.direction == "minimize" else -1.0
    rows = sorted(map(_line, found), key=lambda row: (row[0], row[1], sign * row[2], row[5]))
    sizes = {row[1] for row in rows}
    if len(sizes) < 2:
        several = f"All of the {len(rows)} studies have"
        every = f"'{rows[0][5]}' alone has" if len(rows) == 1 else several
        raise InputError(
            f"{every} {rows[0][1]:,} training rows.",
            f"Search smaller parts too: {ANALYSIS.example}",
        )
    unit, metric = found[0].row.unit, found[0].row.key.metric
    detail = Table.of(rows, "family", "training_rows", (metric, unit), "trial", "trials", "study")
    summary = [
        [family, *_ends(one["training_rows"], one[metric])]
        for family, one in detail.groups("family").items()
    ]
    return Finding(
        summary=Table.of(
            summary,
            "family",
            "fewest_rows",
            (f"{metric}_there", unit),
            "most_rows",
            (f"best_{metric}_there", unit),
            "exponent",
        ),
        detail=detail,
        note=f"The {title_of(metric)} of the best trial of each study on the same validation rows. "
        "The exponent is that of a power law through a family's points.",
    )


def panels(finding: Finding) -> "list[Panel]":
    """The best of each family at each size, both axes logarithmic; and against the first family."""
    from fesearch.figures import Line, lines

    score = finding.detail.columns[2]
    best = {
        family: _best(one["training_rows"], one[score.name])
        for family, one in finding.detail.groups("family").items()
    }
    drawn = [
        lines(
            [Line(family, list(at), list(at.values())) for family, at in best.items()],
            title="Learning curve",
            note=finding.note,
            x="training rows",
            y=f"validation {title_of(score.name)} ({score.unit})",
            log_x=True,
            log_y=score.name != "r2",
            dots=True,
        )
    ]
    (first, reference), *others = best.items()
    compared = [
        Line(family, shared, [100 * (at[n] / reference[n] - 1) for n in shared])
        for family, at in others
        for shared in ([n for n in at if n in reference],)
        if shared
    ]
    if compared:
        drawn.append(
            lines(
                compared,
                title=f"Relative to {first}",
                note=f"Below zero a family is better than {first}.",
                x="training rows",
                y="difference (%)",
                log_x=True,
                dots=True,
            )
        )
    return drawn


def _line(one: Searched) -> tuple[str, int, float, int, int, str]:
    if not one.usable:
        raise nothing_usable(one.row.name, one.trials)
    best, rows = one.usable[0], one.division.n_train
    assert best.value is not None, "a usable trial has a value"
    return (best.family, rows, best.value, best.number, len(one.trials), one.row.name)


def _whole(spec: SplitSpec) -> SplitSpec:
    """A division with all of its training part."""
    return replace(spec, train=None)


def _comparable(spec: SplitSpec) -> SplitSpec | None:
    """The same, where the rows that are scored do not change with it, as on inner folds."""
    return None if spec.folds else _whole(spec)


def _refuse_others(found: Sequence[Searched]) -> None:
    """Refuse divisions that differ in more than how much of the training part is used."""
    first, specs = found[0], [SplitSpec.parse(one.division.spec) for one in found]
    for one, spec in zip(found, specs, strict=True):
        if spec.folds:
            raise InputError(
                f"'{one.row.name}' is scored on inner folds, which are of its own training rows.",
                "Give studies without folds=… in their --split: they share their validation rows.",
            )
    for other, spec in zip(found[1:], specs[1:], strict=True):
        whole = [str(_whole(each)) for each in (specs[0], spec)]
        if whole[0] != whole[1]:
            raise InputError(
                f"'{first.row.name}' is on {whole[0]} and '{other.row.name}' on {whole[1]}: their "
                "validation rows differ.",
                "Give studies whose --split differs in train=… alone.",
            )


def _ends(sizes: Sequence[int], values: Sequence[float]) -> list[float | None]:
    """Fewest rows and the score there, most rows and the score there, exponent."""
    best = _best(sizes, values)
    low, high = min(best), max(best)
    positive = len(best) > 1 and all(value > 0 for value in best.values())
    slope = np.polyfit(np.log(list(best)), np.log(list(best.values())), 1)[0] if positive else None
    return [low, best[low], high, best[high], None if slope is None else float(slope)]


def _best(sizes: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """Training rows -> score, ascending; of several studies of one size that listed first."""
    best: dict[int, float] = {}
    for size, value in zip(sizes, values, strict=True):
        best.setdefault(size, value)
    return best


ANALYSIS = Analysis(
    name="learning_curve",
    title="Learning curve",
    question="How much would more data help, and which family is best with little data?",
    source="Huang and Ling 2020, Fig. 2a",
    reads="series",
    whole=_comparable,
    example="for n in 1000 3000 10000; do fesearch study start dnn --split random:train=$n "
    "--name dnn-$n; done; fesearch study start dnn --name dnn-all; "
    "fesearch analyse learning_curve dnn-1000 dnn-3000 dnn-10000 dnn-all --to learning.png",
    find=find,
    panels=panels,
)
