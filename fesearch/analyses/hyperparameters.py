"""Which hyperparameters decide: functional ANOVA over the trials of a study.

After Hutter, Hoos and Leyton-Brown, ICML 2014, as Optuna has it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import InputError, counted
from fesearch.search.importance import importances
from fesearch.subject import Searched, Subject

if TYPE_CHECKING:
    from fesearch.figures import Panel

FEWEST = 4
"""Trials of which anything can be said."""


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """The importance of each parameter in each study; those of a study sum up to one.

    Raises:
        InputError: a study has too few trials, or its trials do not differ.
    """
    summary, rows = [], []
    for one in (subject.searched for subject in subjects):
        shares, used, diverged = _shares(one)
        summary.append([one.row.name, one.row.definition["study"]["family"], used, diverged])
        rows += [[one.row.name, name, share] for name, share in shares.items()]
    return Finding(
        summary=Table.of(summary, "study", "family", "trials", "diverged"),
        detail=Table.of(rows, "study", "parameter", "importance"),
        note="Share of the variance of the trials' rank that a parameter makes up, alone and with "
        "others (fANOVA). Trials that were stopped early have the value they had, those that "
        "diverged the worst; a parameter that not all trials have is left out.",
    )


def panels(finding: Finding) -> "list[Panel]":
    """Bars for each study."""
    from fesearch.figures import bars

    counted = dict(zip(finding.summary["study"], finding.summary["trials"], strict=True))
    return [
        bars(
            dict(zip(one["parameter"], one["importance"], strict=True)),
            title=f"Hyperparameters: {study}",
            note=f"From {counted[study]} trials. Share of the variance of their rank (fANOVA).",
            axis="importance",
            text="{:.2f}".format,
        )
        for study, one in finding.detail.groups("study").items()
    ]


def _shares(one: Searched) -> tuple[dict[str, float], int, int]:
    from fesearch.record import Fault

    diverged = [trial for trial in one.trials if trial.fault is Fault.DIVERGED]
    trials = [*one.usable, *diverged]
    if len(trials) < FEWEST:
        raise InputError(
            f"The study '{one.row.name}' has {counted(len(trials), 'trial')} to compare, and "
            f"{FEWEST} are needed.",
            f"Type: fesearch study extend {one.row.name} --trials +20",
        )
    shares = importances(trials)
    if not shares:
        raise InputError(
            f"The trials of '{one.row.name}' do not differ in any parameter that all have.",
            "Search a wider space.",
        )
    return shares, len(trials), len(diverged)


ANALYSIS = Analysis(
    name="hyperparameters",
    title="Hyperparameter importance",
    question="Which hyperparameters decided, and which could be left as they are?",
    source="Hutter et al., ICML 2014",
    reads="searches",
    example="fesearch analyse hyperparameters STUDY --to hyperparameters.png",
    find=find,
    panels=panels,
)
