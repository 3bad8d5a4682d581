"""What a search did with its budget: rungs of ASHA, how trials ended, when the best was found."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import counted
from fesearch.family import FAMILIES, amount
from fesearch.record import TrialState
from fesearch.search.budget import rungs_of
from fesearch.search.prepare import study_of
from fesearch.subject import Searched, Subject

if TYPE_CHECKING:
    from fesearch.figures import Panel

HOUR = 3600.0


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """Trials and seconds by how they ended, and who came to each rung and was stopped there."""
    every = [subject.searched for subject in subjects]
    summary = [_ended(one) for one in every]
    seen = [(one, _rungs(one)) for one in every]
    rows = [line for _, lines in seen for line in lines]
    unit = every[0].row.unit
    states = [state.value.lower() for state in TrialState]
    return Finding(
        summary=Table.of(
            summary,
            "study",
            "trials",
            *states,
            *((f"hours_{state}", "h") for state in states),
            "share_of_training",
            "best_trial",
        ),
        detail=Table.of(
            rows, "study", "unit", "rung", "arrived", "stopped", "went_on", ("best", unit)
        ),
        note="The share of training is what was trained, of all trials trained to the longest "
        "trial's end. Whoever arrived at a rung was stopped there or went on; the rest ended "
        "otherwise, as by patience.",
        undrawn=tuple(_without(one) for one, lines in seen if not lines),
    )


def panels(finding: Finding) -> "list[Panel]":
    """For each study its rungs, and the hours by how trials ended."""
    from fesearch.figures import bars
    from fesearch.figures.style import compact

    drawn = []
    for line in finding.summary.rows():
        rungs = finding.detail.groups("study").get(line["study"])
        if rungs is not None:
            unit = rungs["unit"][0]
            counts: dict[str, float] = {}
            for rung, arrived, stopped in zip(
                rungs["rung"], rungs["arrived"], rungs["stopped"], strict=True
            ):
                counts[f"{amount(rung, unit)}: arrived"] = arrived
                counts[f"{amount(rung, unit)}: stopped"] = stopped
            drawn.append(
                bars(
                    counts,
                    title=f"Rungs: {line['study']}",
                    note=f"{counted(line['trials'], 'trial')} took "
                    f"{100 * line['share_of_training']:.0f} % of the training that all would have "
                    "taken to the end.",
                    axis="trials",
                )
            )
        hours = {
            f"{state.value} ({line[state.value.lower()]})": line[f"hours_{state.value.lower()}"]
            for state in TrialState
            if line[state.value.lower()]
        }
        if hours:
            drawn.append(
                bars(
                    {label: value * HOUR for label, value in hours.items()},
                    title=f"Time by end: {line['study']}",
                    note="Computation of trials, by how they ended; their number in brackets.",
                    axis="seconds",
                    text=compact,
                )
            )
    return drawn


def _ended(one: Searched) -> list[object]:
    count = Counter(trial.state for trial in one.trials)
    hours = {
        state: sum(trial.seconds for trial in one.trials if trial.state is state) / HOUR
        for state in TrialState
    }
    longest = max((trial.resource for trial in one.trials), default=0)
    trained = sum(trial.resource for trial in one.trials)
    share = trained / (longest * len(one.trials)) if longest else 0.0
    best = one.usable[0].number if one.usable else None
    return [
        one.row.name,
        len(one.trials),
        *(count[state] for state in TrialState),
        *hours.values(),
        share,
        best,
    ]


def _without(one: Searched) -> tuple[str, str]:
    """Why a study has no picture of rungs, and what has one."""
    name, pruner = one.row.name, study_of(one.row).pruner
    if pruner == "none":
        return f"'{name}' stops no trial early, and so has no rungs.", "Search with --pruner asha."
    return f"No trial of '{name}' has come to a rung yet.", f"Type: fesearch study resume {name}"


def _rungs(one: Searched) -> list[list[object]]:
    """A line for each rung of the study as it stands; none where nothing is stopped early."""
    study = study_of(one.row)
    unit = FAMILIES.get(study.family).resource.unit
    sign = 1.0 if one.row.direction == "minimize" else -1.0
    ended = {trial.number: (trial.state, trial.resource) for trial in one.trials}
    lines: list[list[object]] = []
    for rung in rungs_of(study, study.declared_family().resource):
        here = [report for report in one.reports if report.resource == rung]
        stopped = sum(ended[one.number] == (TrialState.PRUNED, rung) for one in here)
        on = sum(ended[one.number][1] > rung for one in here)
        best = min((sign * report.best for report in here if report.best is not None), default=None)
        if here:
            value = None if best is None else sign * best
            lines.append([one.row.name, unit, rung, len(here), stopped, on, value])
    return lines


ANALYSIS = Analysis(
    name="rungs",
    title="Rungs and budget",
    question="What did the search spend its time on, and who was stopped where?",
    source="Li et al., MLSys 2020 (ASHA)",
    reads="searches",
    example="fesearch analyse rungs STUDY --to rungs.png",
    find=find,
    panels=panels,
)
