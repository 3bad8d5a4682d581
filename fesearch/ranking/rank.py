"""Trials of all studies side by side, a table for each key: only equals are compared."""

from collections.abc import Iterable, Mapping, Sequence

from fesearch.errors import InputError, NoResultError
from fesearch.ranking.repeats import RepeatedTable, repeated_table
from fesearch.ranking.single import Table, single_table
from fesearch.record import ResultKey, nothing_usable
from fesearch.registry import short_name
from fesearch.store.results import Store
from fesearch.store.types import KeySummary, StudyRow


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
        target, metric: names; of a metric of the user's own also without its digits.
        split: beginning of a fingerprint.
        studies: rank these against each other, and ensembles of no other; the name of a search over
            many families stands for all of its.
        every: all trials; else the best of each family of each study.

    Raises:
        InputError: what is to be compared has different keys; both fingerprints are named.
        StudyNotFoundError: there is no study of a name.
        NoResultError: there is nothing to rank.
    """
    with Store.look(url) as store:
        rows = {row.name: row for row in store.study_rows()}
        chosen = store.named(studies)
        _refuse_mixed(chosen)
        names = _data_names(rows.values())
        keys = [
            summary
            for summary in store.keys()  # noqa: SIM118  a store is no mapping
            if target in (None, summary.key.target)
            and metric in (None, summary.key.metric, short_name(summary.key.metric))
            and summary.key.split.startswith(split or "")
            and _is_data(summary.key.data, data, names)
            and (not chosen or summary.key == chosen[0].key)
        ]
        if split is not None:
            _refuse_ambiguous(split, keys)
        wanted = {row.name for row in chosen}
        efforts = store.efforts()
        every_table = (
            single_table(
                store,
                summary,
                rows,
                "/".join(names[summary.key.data]),
                efforts,
                wanted=wanted,
                every=every,
            )
            for summary in keys
        )
        found = [table for table in every_table if table.entries]
        if chosen and not found:
            raise nothing_usable(chosen[0].name, store.trials(chosen[0]))
    if not found:
        raise NoResultError(
            "There is no usable trial to rank, or none that was asked for.",
            "Type: fesearch study list",
        )
    return found


def repeated_tables(
    url: str,
    *,
    data: str | None = None,
    target: str | None = None,
    metric: str | None = None,
    split: str | None = None,
    studies: Sequence[str] = (),
) -> list[RepeatedTable]:
    """Rank over repeated divisions what was scored on two members or more; see ``tables``.

    Args:
        split: beginning of the fingerprint of a repeated division.
    """
    with Store.look(url) as store:
        rows = {row.name: row for row in store.study_rows()}
        names = _data_names(rows.values())
        shown = {row.name: row for row in store.named(studies)} or rows
        asked = dict.fromkeys(
            (row.key.data, row.key.target, row.key.metric) for row in rows.values()
        )
        found = [
            repeated_table(
                store,
                ResultKey(division.data, learned, scored, division.fingerprint),
                division,
                members,
                shown,
                "/".join(names[division.data]),
                rows.keys() - shown.keys(),
            )
            for division, members in store.parents()
            if division.fingerprint.startswith(split or "")
            for digest, learned, scored in asked
            if digest == division.data
            and _is_data(digest, data, names)
            and target in (None, learned)
            and metric in (None, scored, short_name(scored))
        ]
    return [table for table in found if table is not None]


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
