"""Trials of all studies side by side, a table for each key: only equals are compared."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fesearch.errors import InputError, NoResultError
from fesearch.record import ResultKey, nothing_usable
from fesearch.store.results import Store
from fesearch.store.types import Division, Effort, KeySummary, RankedTrial, StudyRow


@dataclass(frozen=True)
class Entry:
    """A line of a ranking.

    Attributes:
        position: from 1, by validation.
        test: score of the trial in the key's metric on the test part; None while it is sealed.
        effort: all trials of its family in its study: what it took to find this one.
    """

    position: int
    trial: RankedTrial
    test: float | None
    effort: Effort


@dataclass(frozen=True)
class Table:
    """All that is ranked under one key, the best first.

    Attributes:
        data: name of the data set, as the studies called it.
        looks: at the test part, so far.
    """

    summary: KeySummary
    data: str
    division: Division
    looks: int
    entries: tuple[Entry, ...]


def tables(
    url: str,
    *,
    data: str | None = None,
    target: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    studies: Sequence[str] = (),
    every: bool = False,
) -> list[Table]:
    """Rank what was trained on identical divisions, a table for each key.

    Args:
        url: of the store.
        data: name or beginning of the hash of a data set.
        target, metric: names.
        split: beginning of a fingerprint.
        studies: rank these against each other.
        every: all trials; else the best of each family of each study.

    Raises:
        InputError: what is to be compared has different keys; both fingerprints are named.
        StudyNotFoundError: there is no study of a name.
        NoResultError: there is nothing to rank.
    """
    with Store.look(url) as store:
        rows = {summary.study.name: summary.study for summary in store.studies()}
        chosen = [store.study(name) for name in studies]
        _refuse_mixed(chosen)
        names = _data_names(rows.values())
        keys = [
            summary
            for summary in store.keys()  # noqa: SIM118  a store is no mapping
            if target in (None, summary.key.target)
            and metric in (None, summary.key.metric)
            and summary.key.split.startswith(split or "")
            and _is_data(summary.key.data, data, names)
            and (not chosen or summary.key == chosen[0].key)
        ]
        if split is not None:
            _refuse_ambiguous(split, keys)
        wanted = set(studies or rows)
        found = [_table(store, summary, names, rows, wanted, every) for summary in keys]
        found = [table for table in found if table.entries]
        if chosen and not found:
            raise nothing_usable(chosen[0].name, store.trials(chosen[0]))
    if not found:
        raise NoResultError(
            "There is no usable trial to rank, or none that was asked for.",
            "Type: fesearch study list",
        )
    return found


def _table(
    store: Store,
    summary: KeySummary,
    names: Mapping[str, Sequence[str]],
    rows: Mapping[str, StudyRow],
    wanted: set[str],
    every: bool,
) -> Table:
    key = summary.key
    efforts = {(e.study, e.family): e for e in store.efforts() if e.key == key}
    trials = [
        trial
        for trial in store.ranking(
            data=key.data, target=key.target, metric=key.metric, split=key.split
        )
        if trial.study in wanted
    ]
    looks = store.looks(key)
    tests = {name: store.looks_at(rows[name]) for name in {trial.study for trial in trials}}
    shown = trials if every else _best_of_each(trials)
    entries = []
    for position, trial in enumerate(shown, start=1):
        look = tests[trial.study].get(trial.number)
        test = look.scores.get(key.metric) if look else None
        effort = efforts[trial.study, trial.family]
        entries.append(Entry(position, trial, test, effort))
    division = store.division(key.data, key.split)
    return Table(summary, "/".join(names[key.data]), division, len(looks), tuple(entries))


def _best_of_each(trials: Iterable[RankedTrial]) -> list[RankedTrial]:
    """The first trial of each family of each study."""
    best: dict[tuple[str, str], RankedTrial] = {}
    for trial in trials:
        best.setdefault((trial.study, trial.family), trial)
    return list(best.values())


def _data_names(rows: Iterable[StudyRow]) -> dict[str, list[str]]:
    """Data hash -> what studies call it; two people may have imported the same rows."""
    names: dict[str, list[str]] = {}
    for row in rows:
        name, known = row.definition["study"]["data"], names.setdefault(row.key.data, [])
        if name not in known:
            known.append(name)
    return names


def _is_data(digest: str, asked: str | None, names: Mapping[str, Sequence[str]]) -> bool:
    return asked is None or asked in names[digest] or digest.startswith(asked)


def _refuse_mixed(studies: Sequence[StudyRow]) -> None:
    for other in studies[1:]:
        first = studies[0]
        if other.key != first.key:
            raise InputError(
                f"'{first.name}' and '{other.name}' cannot be compared: "
                f"{_differing(first, other)}.",
                "Type fesearch rank for a table of each, or search both on one division.",
            )


def _differing(first: StudyRow, other: StudyRow) -> str:
    """How the keys of two studies differ; their fingerprints in any case."""

    def words(key: ResultKey) -> dict[str, str]:
        return {
            "data": key.data[:12],
            "target": key.target,
            "metric": key.metric,
            "split": key.split[:12],
        }

    pairs = [(name, one, words(other.key)[name]) for name, one in words(first.key).items()]
    return "; ".join(
        f"{name} {one} and {two}" for name, one, two in pairs if one != two or name == "split"
    )


def _refuse_ambiguous(split: str, keys: Sequence[KeySummary]) -> None:
    fingerprints = list(dict.fromkeys(summary.key.split for summary in keys))
    if len(fingerprints) > 1:
        raise InputError(
            f"'{split}' is the beginning of different divisions, which cannot be compared: "
            f"{' and '.join(fingerprints)}.",
            "Give more of one of them.",
        )
