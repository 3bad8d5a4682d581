"""What every kind of division promises, whoever wrote it."""

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from divided import by_role, data, oxides

from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.split import Split, make, members
from fesearch.splitspec import KINDS, SplitSpec

FORMULAS = [*oxides(100), *oxides(20), *[text * 2 for text in oxides(10)]]
ROLES = ("train", "train", "val", "train", "test", "train", "train", "")

#: What an option says that has no default to divide by.
NEEDED = {"column": ("fold0", "fold1"), "element": "Mg"}


def rows() -> Dataset:
    """130 rows of 100 formulas, some of them without a role in a column."""
    place = {text: n for n, text in enumerate(oxides(100))}
    number = [place.get(text, place.get(text[: len(text) // 2], 0)) for text in FORMULAS]
    folds = {f"fold{i}": [ROLES[(n + i) % len(ROLES)] for n in number] for i in range(2)}
    folds["half"] = [f"cell {n % 20}" if n < 50 else "" for n in number]
    return data(FORMULAS, np.arange(130.0) * 37 % 101, columns=folds)


def specs(**common: Any) -> Iterator[SplitSpec]:
    """One of each kind, and both ends of a repeated one."""
    for kind in KINDS:
        needed = {
            k: v for k, v in NEEDED.items() if k in {f.name for f in dataclasses.fields(kind)}
        }
        spec = kind.from_options({**needed, **common})
        if spec.count is None:
            yield spec
        else:
            yield from (dataclasses.replace(spec, member=n) for n in (0, spec.count - 1))


@pytest.fixture(params=list(specs()), ids=str)
def spec(request: pytest.FixtureRequest) -> SplitSpec:
    found: SplitSpec = request.param
    return found


def having(name: str) -> np.ndarray:
    return np.arange(len(FORMULAS)) % 3 > 0


def divided(spec: SplitSpec, dataset: Dataset | None = None) -> Split:
    return make(dataset or rows(), spec, target="e", having=having)


def test_it_says_what_it_is(spec: SplitSpec) -> None:
    assert spec.kind in KINDS.names()
    assert KINDS.get(spec.kind) is type(spec)
    assert SplitSpec.parse(str(spec)) == spec
    table = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    assert SplitSpec.from_mapping({"kind": spec.kind, **table}) == spec


def test_parts_are_disjoint_sorted_and_read_only(spec: SplitSpec) -> None:
    split = divided(spec)
    used = np.concatenate([split.train, split.val, split.test])
    assert len(set(used.tolist())) == len(used) <= split.rows == 130
    for part in (split.train, split.val, split.test):
        assert part.size
        assert part.dtype == np.int64
        assert np.all(np.diff(part) > 0)
        assert not part.flags.writeable


def test_formulas_stay_on_one_side(spec: SplitSpec) -> None:
    """Unless a column says otherwise; the one here does not."""
    assert divided(spec).crossing["formulas"].crossing == 0


def test_order_of_rows_and_targets_do_not_matter(spec: SplitSpec) -> None:
    dataset = rows()
    places = random.Random(0).sample(range(130), 130)
    # Past `dataset.make`, which would sort the rows back
    shuffled = dataclasses.replace(
        dataset,
        ids=tuple(dataset.ids[p] for p in places),
        reduced=tuple(dataset.reduced[p] for p in places),
        columns={k: tuple(cells[p] for p in places) for k, cells in dataset.columns.items()},
        targets={"e": np.arange(130.0)},
    )
    for amount in (None, 0.3):
        asked = dataclasses.replace(spec, train=amount)
        split, again = divided(asked, dataset), divided(asked, shuffled)
        assert by_role(dataset, split) == by_role(shuffled, again)
        assert split.fingerprint == again.fingerprint


def test_training_subsets_lie_in_one_another(spec: SplitSpec) -> None:
    whole = divided(spec)
    before: set[int] = set()
    for amount in (1, 0.1, 20, 0.7, 0.999):
        split = divided(dataclasses.replace(spec, train=amount))
        np.testing.assert_array_equal(split.val, whole.val)
        np.testing.assert_array_equal(split.test, whole.test)
        assert before <= set(split.train.tolist())
        before = set(split.train.tolist())
        assert len(before) >= amount
    assert before == set(whole.train.tolist())


def test_rows_without_features_are_not_used_and_the_others_as_before(spec: SplitSpec) -> None:
    whole = by_role(rows(), divided(spec))
    part = by_role(rows(), divided(dataclasses.replace(spec, rows="some", sigma=1)))
    bounded = by_role(rows(), divided(dataclasses.replace(spec, sigma=1)))
    has = {name for name, one in zip(rows().ids, having("some"), strict=True) if one}
    assert part == {name: role for name, role in bounded.items() if name in has}
    assert bounded.items() < whole.items()


def test_sigma_looks_at_training_targets_alone(spec: SplitSpec) -> None:
    dataset, whole = rows(), divided(spec)
    other = dataset.targets["e"].copy()
    other[np.concatenate([whole.val, whole.test])] *= 1.3
    told = other[whole.train]
    near = np.abs(other - np.mean(told)) < 1.2 * np.std(told)
    changed = dataclasses.replace(dataset, targets={"e": other})
    split = divided(dataclasses.replace(spec, sigma=1.2), changed)
    for part in ("train", "val", "test"):
        before = getattr(whole, part)
        np.testing.assert_array_equal(getattr(split, part), before[near[before]])
        assert len(before[near[before]]) < len(before)


def test_a_member_belongs_to_its_parent(spec: SplitSpec) -> None:
    split = divided(spec)
    if spec.count is None:
        assert (split.parent, split.member) == (None, None)
        with pytest.raises(InputError, match="member=0 is none of it"):
            dataclasses.replace(spec, member=0)
        return
    parent = members(rows(), spec, target="e", having=having)
    assert len(parent.members) == spec.count
    assert (split.parent, split.member) == (parent.fingerprint, spec.member)
    assert parent.members[spec.member or 0].fingerprint == split.fingerprint
    assert split.spec == str(spec)
    with pytest.raises(InputError, match=rf"is {spec.count} divisions\."):
        divided(dataclasses.replace(spec, member=None))


#: Text -> the first 16 digits of its fingerprint and of its parent's, for ``rows``.
GOLDEN = {
    "column:fold0": ("30ecfd79cdadbcbe", None),
    "column:fold1+fold0,member=1": ("30ecfd79cdadbcbe", "d111a3c5f5be6f31"),
    "column:fold0,train=0.5": ("f81b60250ff65a00", None),
    "kfold:member=0": ("d3166bc804bd3438", "efdca7b39295fd81"),
    "kfold:k=3,seed=2,val=0.2,group=none,member=2": ("dca78df5c356e3e4", "aada4a377f5b9102"),
    "leave_element:element=Mg": ("c73cbcf64800367b", None),
    "leave_element:element=Mg,kept=0.5,seed=1,group=system": ("67c1ee9ec906688e", None),
    "random": ("43c556cefac59354", None),
    "random:seed=1,fractions=9:1,group=none": ("618dbff5bd39b2eb", None),
    "random:group=system": ("0a8b73eeac759f67", None),
    "random:group=column:half,fractions=1:1:1": ("e18e249469bb021c", None),
    "random:seed=1,train=0.2": ("69762f20fb4849e9", None),
    "random:train=50,group=none": ("959088a156d63219", None),
    "random:sigma=1.5": ("558bb32fa6248101", None),
    "random:rows=some,train=10": ("60cc43d8646341df", None),
    "repeated:member=1": ("37c9ce1fb036d102", "2116b3997084fd1d"),
    "repeated:divisions=2,seed=3,group=system,member=1,train=30": (
        "e56552839aba1a8f",
        "0b22bf24e7c68723",
    ),
}


@pytest.mark.parametrize("text", list(GOLDEN))
def test_golden_fingerprints(text: str) -> None:
    """A change here makes every recorded result incomparable with new ones."""
    split = divided(SplitSpec.parse(text))
    parent = None if split.parent is None else split.parent[:16]
    assert (split.fingerprint[:16], parent) == GOLDEN[text]


def test_every_kind_has_a_golden_fingerprint() -> None:
    assert {SplitSpec.parse(text).kind for text in GOLDEN} == set(KINDS.names())
