"""Budgets that change once a study is there: more trials, more time, later ends of trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fesearch.duration import duration, spelled
from fesearch.errors import InputError, counted
from fesearch.record import TrialResult, TrialState
from fesearch.search.core import LATE
from fesearch.search.folder import end_file
from fesearch.search.halving import FACTOR, first_rung
from fesearch.search.prepare import study_of
from fesearch.store.results import Store
from fesearch.store.types import Amendment, StudyRow
from fesearch.study import Study, from_keys


@dataclass(frozen=True)
class Ends:
    """What becomes of the trials that ended because their epochs were up.

    Attributes:
        kept: numbers of those that can go on.
        gone: numbers of those whose end is not kept.
        scheduled: numbers of those whose learning rate comes to an end of its own with them.
    """

    kept: tuple[int, ...]
    gone: tuple[int, ...]
    scheduled: tuple[int, ...]


@dataclass(frozen=True)
class Extension:
    """What an extension changed.

    Attributes:
        row: of the study, as it is now.
        changes: each with its ``key``, the ``old`` value and the ``new`` one.
        continued: numbers of the trials that go on to the new end, each as a new trial.
        ends: of all trials that had reached the old one; None where the end was not changed.
        driven: a driver is at work, which takes the changes up by itself.
    """

    row: StudyRow
    changes: tuple[Mapping[str, Any], ...]
    continued: tuple[int, ...]
    ends: Ends | None
    driven: bool


def extend(
    name: str,
    url: str,
    *,
    trials: str | None = None,
    time_limit: str | None = None,
    max_epochs: int | None = None,
) -> Extension:
    """Change the budget of a study; nothing is searched.

    Trials that ended because their epochs were up go on to a later end, each as a new trial that
    begins where it ended. They do not count against the budget of trials.

    Args:
        trials: how many in all, such as "150", or how many more, such as "+50".
        time_limit: in all, such as "8h", or how much more, such as "+2h".
        max_epochs: the new end of a trial.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: less than is spent, no change, or no trial could go on; nothing was changed.
    """
    if trials is None and time_limit is None and max_epochs is None:
        raise InputError(
            f"Nothing is said of what '{name}' is to have more of.",
            "Give --trials +50, --time-limit +2h or --max-epochs 300.",
        )
    ends: Ends | None = None
    with Store.open(url, create=False) as store:
        row = store.study(name)
        study_of(row)  # the user's own files it needs are run

        def decide(row: StudyRow, results: Sequence[TrialResult]) -> Amendment:
            nonlocal ends
            keys = _changed(row, results, trials, time_limit, max_epochs)
            study = from_keys({**row.definition["study"], **keys}, name)
            study.check(new=False)
            if "max_epochs" not in keys:
                return Amendment(keys)
            ends = ends_before(row, study, results)
            _refuse_scheduled(ends, study)
            return Amendment(keys, ends.kept)

        continued = store.amend(row, decide)
        now = store.study(name)
        changes = now.definition["changes"][len(row.definition.get("changes", [])) :]
        return Extension(now, tuple(changes), tuple(continued), ends, store.driven(now))


def let_go_on(store: Store, row: StudyRow) -> list[int]:
    """Let those trials go on that ended too early, where there is time again.

    They reached an earlier end while the later one was being set, or had to end for want of time.

    Returns:
        their numbers.
    """
    later = any(change["key"] == "max_epochs" for change in row.definition.get("changes", []))

    def decide(row: StudyRow, results: Sequence[TrialResult]) -> Amendment:
        kept = [one.number for one in results if one.reason == LATE]
        kept = [number for number in kept if end_file(row, number).exists()]
        if later:
            study = from_keys(row.definition["study"], row.name)
            kept += ends_before(row, study, results).kept
        return Amendment({}, tuple(kept))

    return store.amend(row, decide)


def before_extensions(row: StudyRow) -> dict[str, Any]:
    """The keys of a study that were extended, with what they were when it was started."""
    return {one["key"]: one["old"] for one in reversed(row.definition.get("changes", []))}


def narrowed(row: StudyRow) -> bool:
    """Whether the time of a study has left out networks that it was to have."""
    name = from_keys(row.definition["study"], row.name).declared_family().capacity
    asked = row.definition.get("asked", {}).get("space")
    return asked is not None and name not in asked and name in row.definition["study"]["space"]


def ends_before(row: StudyRow, study: Study, results: Sequence[TrialResult]) -> Ends:
    """The trials that ended because their epochs were up, before the end that ``study`` has."""
    family = study.declared_family()
    ended = [one for one in results if one.state is TrialState.COMPLETE]
    ended = [o for o in ended if not _tired(o, family.patience(o.config, study.patience))]
    free = [
        one.number
        for one in ended
        if family.extendable(one.config) and one.resource < family.end(one.config, study.max_epochs)
    ]
    return Ends(
        kept=tuple(number for number in free if end_file(row, number).exists()),
        gone=tuple(number for number in free if not end_file(row, number).exists()),
        scheduled=tuple(one.number for one in ended if family.length(one.config) is not None),
    )


def _tired(result: TrialResult, patience: int | None) -> bool:
    """Whether a trial ended for want of a better value; more epochs would not come to it."""
    return patience is not None and result.resource - (result.best_resource or 0) >= patience


def _changed(
    row: StudyRow,
    results: Sequence[TrialResult],
    trials: str | None,
    time_limit: str | None,
    max_epochs: int | None,
) -> dict[str, Any]:
    """The keys of the study that change, each with its new value."""
    study = from_keys(row.definition["study"], row.name)
    wanted: dict[str, Any] = {}
    if trials is not None:
        wanted["trials"] = _trials(study, results, trials)
    if time_limit is not None:
        wanted["time_limit"] = time_in_all(study.name, study.time_limit, row.seconds, time_limit)
    if max_epochs is not None:
        wanted |= _max_epochs(study, max_epochs)
    keys = {key: value for key, value in wanted.items() if value != getattr(study, key)}
    if not keys:
        as_it_is = ", ".join(f"{key} = {value}" for key, value in wanted.items())
        raise InputError(
            f"The budget of '{row.name}' is that already: {as_it_is}.",
            f"Give more; see: fesearch study show {row.name}",
        )
    return keys


def _trials(study: Study, results: Sequence[TrialResult], text: str) -> int:
    begun = sum(result.parent is None for result in results)
    total = in_all(study.name, study.trials, begun, text)
    size = study.search_space().size()
    if size is not None and size <= study.trials < total:
        raise InputError(
            f"The space of '{study.name}' has {size} configs, and its budget is all of them.",
            "Start a study of a wider space.",
        )
    return total


def in_all(name: str, budget: int, begun: int, text: str) -> int:
    """The trials that a study, or a search over many families, is to have in all.

    Args:
        budget: of trials until now, ``begun`` of which have begun.
        text: how many in all, such as "150", or how many more, such as "+50".

    Raises:
        InputError: it is neither, or so many have begun already.
    """
    if not text.removeprefix("+").isdecimal() or len(text) > len(str(2**63)):
        raise InputError(
            f"--trials got '{text[:40]}'.", "Give how many in all, as in 150, or more, as in +50."
        )
    given = int(text)
    total = budget + given if text.startswith("+") else given
    if total < begun:
        raise InputError(
            f"The study '{name}' has begun {counted(begun, 'trial')}, so its budget cannot be "
            f"{total}.",
            f"Give --trials {begun} or more, or --trials +{max(given, 1)}.",
        )
    return total


def time_in_all(name: str, limit: str | None, spent: float, text: str) -> str:
    """The time limit that a study, or a search over many families, is to have in all.

    Args:
        limit: until now; it has worked for ``spent`` seconds.
        text: in all, such as "8h", or how much more, such as "+2h".

    Raises:
        InputError: it is neither, or that time is spent already.
    """
    seconds = duration(text.removeprefix("+"))
    if text.startswith("+"):
        if limit is None:
            raise InputError(
                f"The study '{name}' has no time limit, so there is none to add {text} to.",
                "Leave --time-limit out, or give one in all, as in --time-limit 8h.",
            )
        seconds += duration(limit)
    if seconds < spent:
        raise InputError(
            f"The study '{name}' has worked for {spelled(round(spent))}, so its time limit "
            f"cannot be {spelled(seconds)}.",
            f"Give more, or add to it, as in --time-limit +{spelled(seconds)}.",
        )
    return spelled(seconds)


def _max_epochs(study: Study, maximum: int) -> dict[str, int]:
    """The new end, and the first rung, which would else move with it."""
    resource = study.declared_family().resource
    old = study.end()
    if resource.unit == "epochs" and maximum < old:
        raise InputError(
            f"Trials of '{study.name}' end at {resource.amount(old)}, and not at {maximum} again.",
            f"Give --max-epochs {old + 1} or more.",
        )
    found = {"max_epochs": maximum}
    if study.pruner != "none" and maximum != old:
        factor = study.reduction_factor or FACTOR
        found["grace"] = study.grace or first_rung(resource, factor, old)
    return found


def _refuse_scheduled(ends: Ends, study: Study) -> None:
    """Refuse where every trial that reached its end has a schedule that ends there."""
    if ends.scheduled and not (ends.kept or ends.gone):
        raise InputError(
            f"The learning rates of all trials of '{study.name}' that reached their ends come to "
            "an end with them (a schedule over a number of epochs), so none can go on.",
            "Start a study with more epochs in its space: --set space.epochs=…",
        )
