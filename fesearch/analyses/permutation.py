"""What each feature is worth to a trained model: Huang and Ling 2020, Fig. 2b.

The importance of a feature is by how much the MAE rises when its column is put in a random order,
the mean of several orders (ten in the paper). Features that say the same share what they are worth.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import InputError
from fesearch.examined import Examined
from fesearch.subject import Subject, models

if TYPE_CHECKING:
    from fesearch.figures import Panel

SHOWN = 15
SEED = 0
_LEAST = 1e-4  # of the largest importance: what is less is not drawn
_TOGETHER = ("element_sequence",)  # whose columns are a text: no one of them can be moved alone


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """Importance of every feature on the part, for each model.

    Raises:
        InputError: the features of a model are a sequence, or nothing is to be repeated.
    """
    if settings.repeats < 1 or settings.rows < 2:
        raise InputError(
            f"{settings.repeats} repeats on {settings.rows} rows are asked for.",
            "Give --repeats 1 and --rows 2, or more.",
        )
    every = models(subjects)
    for one in every:  # all of them before the first takes its minutes
        _refuse_sequences(one)
    summary, rows, used = [], [], 0
    for one in every:
        found, baseline, used = _importances(one, settings)
        mean, spread = found.mean(axis=1), found.std(axis=1, ddof=1 if settings.repeats > 1 else 0)
        order = np.argsort(-mean, kind="stable")
        best = one.names[int(order[0])]
        summary.append(
            [
                one.label,
                len(one.names),
                int((mean > 0).sum()),
                int((mean < 0).sum()),
                baseline,
                best,
                float(mean[mean < 0].sum()),
            ]
        )
        rows += [[one.label, one.names[i], float(mean[i]), float(spread[i])] for i in order]
    unit = every[0].unit
    return Finding(
        summary=Table.of(
            summary,
            "model",
            "features",
            "of_positive_importance",
            "of_negative_importance",
            ("mae", unit),
            "most_important",
            ("negative_sum", unit),
        ),
        detail=Table.of(rows, "model", "feature", ("importance", unit), ("sd", unit)),
        note=f"By how much the MAE rises when a column is put in a random order, mean of "
        f"{settings.repeats} orders, on {used:,} rows of the {settings.part} part.",
        part=settings.part,
    )


def panels(finding: Finding) -> "list[Panel]":
    """The most important features of each model, and how importance falls off."""
    from fesearch.figures import Line, bars, lines

    unit = finding.detail.columns[2].unit
    groups = finding.detail.groups("model")
    drawn = [
        bars(
            dict(zip(map(_short, one["feature"][:SHOWN]), one["importance"][:SHOWN], strict=True)),
            title=f"Features: {label}",
            note=f"The {min(SHOWN, len(one))} most important of {len(one)}, "
            f"by {finding.part} rows.",
            axis=f"rise of the MAE ({unit})",
            text="{:.3g}".format,
        )
        for label, one in groups.items()
    ]
    falling = [
        Line(
            label,
            np.arange(1, len(one) + 1),
            np.where(values > _LEAST * values.max(), values, np.nan),
        )
        for label, one in groups.items()
        for values in (np.asarray(one["importance"], dtype=float),)
    ]
    counted = [
        f"{positive} of {features} in {label}"
        for label, features, positive in zip(
            finding.summary["model"],
            finding.summary["features"],
            finding.summary["of_positive_importance"],
            strict=True,
        )
    ]
    drawn.append(
        lines(
            falling,
            title="How importance falls off",
            note=f"Features of positive importance: {'; '.join(counted)}.",
            x="features, the most important first",
            y=f"rise of the MAE ({unit})",
            log_y=True,
        )
    )
    return drawn


def _short(name: str) -> str:
    """A feature's name without what matminer puts before most of them."""
    return name.removeprefix("MagpieData ")


def _importances(one: Examined, settings: Settings) -> tuple[np.ndarray, float, int]:
    """Rise of the MAE (features, repeats), the MAE before, and the number of rows used."""
    part = one.asked(settings.part)
    draw = np.random.default_rng(SEED)
    chosen = np.arange(part.rows.size)
    if chosen.size > settings.rows:
        chosen = np.sort(draw.choice(chosen, settings.rows, replace=False))
    x = np.ascontiguousarray(one.x[part.rows[chosen]], dtype=np.float32)
    truth = part.truth[chosen]
    error = np.abs(part.error[chosen])
    orders = [draw.permutation(chosen.size) for _ in range(settings.repeats)]
    found = np.zeros((x.shape[1], settings.repeats))
    for column in range(x.shape[1]):
        for repeat, order in enumerate(orders):
            moved = x[order, column]
            # Few rows have a given element: those whose number stays are not predicted again.
            other = np.flatnonzero(moved != x[:, column])
            if other.size == 0:
                continue
            changed = x[other]
            changed[:, column] = moved[other]
            rise = np.abs(one.predictor(changed) - truth[other]) - error[other]
            found[column, repeat] = float(rise.sum()) / chosen.size
    return found, float(error.mean()), int(chosen.size)


def _refuse_sequences(one: Examined) -> None:
    for term in one.features.split("+"):
        if term.partition(":")[0] in _TOGETHER:
            raise InputError(
                f"The model of '{one.label}' reads {term}, whose columns mean nothing alone.",
                "Analyse a model that reads magpie or element_fractions.",
            )


ANALYSIS = Analysis(
    name="permutation",
    title="Permutation importance",
    question="Which features does a model live on, and which are noise to it?",
    source="Huang and Ling 2020, Fig. 2b",
    reads="models",
    example="fesearch analyse permutation STUDY --repeats 10 --to permutation.png",
    find=find,
    panels=panels,
    takes=("part", "repeats", "rows"),
)
