"""Boosters from elsewhere: what is damaged, forged or another's never reaches its package."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from boosted import NAMES, learner_of, predictor_of, small
from linear import linear

from fesearch.classical import boosting
from fesearch.classical.boosters.flatbuffer import Table
from fesearch.classical.boosting import DIGEST, packed
from fesearch.errors import InputError
from fesearch.families import xgboost
from fesearch.space import Value


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def arrays(name: str) -> dict[str, np.ndarray]:
    """A model of two boosters."""
    learner = learner_of(name, small(name), linear())
    for _ in range(2):
        learner.advance()
    return dict(learner.model())


def test_a_damaged_booster_never_reaches_its_package(
    name: str, arrays: dict[str, np.ndarray]
) -> None:
    whole = arrays["chunk1"]
    changed = whole.copy()
    changed[-1] ^= 1
    for damaged in (whole[:0], whole[:DIGEST], whole[:-1], changed, packed(b"")):
        with pytest.raises(InputError, match=r"The booster 'chunk1' is damaged\."):
            predictor_of(name, {**arrays, "chunk1": damaged})


def test_a_booster_that_is_none_is_refused(name: str, arrays: dict[str, np.ndarray]) -> None:
    for content in (b"{", b"[]", b"\xff" * 100, bytes(1000)):
        with pytest.raises(InputError, match=r"cannot read a booster\."):
            predictor_of(name, {**arrays, "chunk0": packed(content)})


def test_a_booster_of_another_package_is_refused(name: str, arrays: dict[str, np.ndarray]) -> None:
    for other in set(NAMES) - {name}:
        with pytest.raises(InputError, match=r"cannot read a booster\."):
            predictor_of(other, arrays)


def test_a_booster_of_another_width_is_refused(name: str, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match="The booster 'chunk0' takes 8 features, not 9"):
        predictor_of(name, arrays, width=9)


def test_a_booster_too_large_is_refused(
    name: str, arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boosting, "LARGEST", len(arrays["chunk0"]) - 1)
    with pytest.raises(InputError, match=r"'chunk0' has \d+ bytes; \d+ are possible"):
        predictor_of(name, arrays)


def test_a_model_with_parts_missing_or_amiss_is_refused(
    name: str, arrays: dict[str, np.ndarray]
) -> None:
    first = {key: array for key, array in arrays.items() if key != "chunk0"}
    with pytest.raises(InputError, match="lacks the array 'chunk0'"):
        predictor_of(name, first)
    with pytest.raises(InputError, match="have no tree"):
        predictor_of(name, {"start": arrays["start"]})
    with pytest.raises(InputError, match="start from nan"):
        predictor_of(name, {**arrays, "start": np.array([np.nan])})
    with pytest.raises(InputError, match="'chunk1' of the model is float64"):
        predictor_of(name, {**arrays, "chunk1": np.zeros(3)})


FORGED = """
import sys
import numpy as np
from linear import linear
from fesearch.classical.boosting import packed
from fesearch.errors import InputError
from fesearch.family import FAMILIES
family, val_x = FAMILIES.get(sys.argv[1]), linear().val_x
for content in np.load(sys.argv[2]).values():
    arrays = {"start": np.zeros(1), "chunk0": packed(content.tobytes())}
    try:
        family.load(family.best, arrays, width=8, threads=1, device="cpu")(val_x)
    except InputError as error:
        print(error.message, flush=True)
    else:
        print("It is taken.", flush=True)
"""
"""A process of its own to load and predict in: a crash ends no more than that."""


def said_of(name: str, contents: Sequence[bytes], folder: Path) -> list[str]:
    """What each booster is refused for, or that its predictions came, the digest being right."""
    path = folder / "forged.npz"
    np.savez(path, *[np.frombuffer(content, np.uint8) for content in contents])
    done = subprocess.run(
        [sys.executable, "-c", FORGED, name, str(path)],
        env={"PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout.splitlines()


def content_of(name: str, **keys: Value) -> bytes:
    learner = learner_of(name, small(name, **keys), linear())
    learner.advance()
    return learner.model()["chunk0"][DIGEST:].tobytes()


def changed_text(content: bytes, line: str, values: Sequence[int]) -> bytes:
    """LightGBM's text with the first numbers of a line of its first tree changed, sizes too."""
    head, first, rest = content.decode().partition(f"\n{line}=")
    numbers, end, rest = rest.partition("\n")
    new = " ".join([*map(str, values), *numbers.split(" ")[len(values) :]])
    before, sizes, after = head.partition("tree_sizes=")
    size, after = after.split(" ", 1)
    head = f"{before}{sizes}{int(size) + len(new) - len(numbers)} {after}"
    return "".join([head, first, new, end, rest]).encode()


def changed_array(content: bytes, name: str, values: Sequence[int]) -> bytes:
    """XGBoost's UBJSON with the first numbers of an array of its first tree changed."""
    at = content.index(name.encode() + b"[$") + len(name)
    kind = {b"l": ">i4", b"U": ">u1"}[content[at + 2 : at + 3]]
    return overwritten(content, at + len(b"[$l#L") + 8, np.array(values, kind).tobytes())


def changed_vector(content: bytes, field: int, kind: str, values: Sequence[int]) -> bytes:
    """CatBoost's file with the first numbers of a list of its trees changed."""
    old = Table.root(content[8:]).table(1).vector(field, kind).tobytes()
    return overwritten(content, content.index(old[:256]), np.array(values, kind).tobytes())


def overwritten(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


OUTSIDE = "A split of a booster looks at a feature outside 0 … 7."

ASTRAY = "A node of a booster has a child before itself or outside its tree."

NO_LEAF = "A leaf of a booster is not in its tree, or in two places of it."

NO_THRESHOLD = "A split of a booster is not by a threshold."


def test_forged_nodes_of_lightgbm_are_refused(tmp_path: Path) -> None:
    content = content_of("lightgbm")
    not_plain = "A tree of a booster splits by categories or has linear leaves."
    said = {
        ("split_feature", 500_000_000): OUTSIDE,
        ("split_feature", 4_294_967_296): OUTSIDE,
        ("split_feature", -1): OUTSIDE,
        ("left_child", 700_000_000): ASTRAY,
        ("left_child", 0): ASTRAY,
        ("left_child", 2, 2): ASTRAY,
        ("left_child", 1, -700_000_000): ASTRAY,
        ("decision_type", 1): NO_THRESHOLD,
        ("decision_type", 2, -1): NO_THRESHOLD,
        ("num_cat", 9): not_plain,
        ("is_linear", 1): not_plain,
        ("num_leaves", 900_000): "The list 'split_feature' of a booster is not 899999 whole"
        " numbers.",
    }
    forged = [changed_text(content, line, values) for line, *values in said]
    assert said_of("lightgbm", forged, tmp_path) == list(said.values())


def test_a_leaf_in_two_places_of_a_tree_of_lightgbm_is_refused(tmp_path: Path) -> None:
    content = content_of("lightgbm")
    first = content.decode().split("\nleft_child=")[1].split("\n")[0].split(" ")
    leaf = next(place for place, child in enumerate(first) if int(child) < 0)
    forged = [
        changed_text(content, "left_child", [*map(int, first[:leaf]), child])
        for child in (-1 if first[leaf] != "-1" else -2, -700_000_000)
    ]
    assert said_of("lightgbm", forged, tmp_path) == [NO_LEAF] * 2


def test_forged_text_of_lightgbm_is_refused(tmp_path: Path) -> None:
    content = content_of("lightgbm")
    moved = "A tree of a booster is not where, or what, the booster says."
    said = {
        (b"max_feature_idx=7", b"max_feature_idx=500000"): "A booster does not describe each of"
        " its 500001 features.",
        (b"num_class=1", b"num_class=9"): "LightGBM cannot read a booster.",
        (b"tree_sizes=", b"tree_sizes=900000000 "): "The list 'tree_sizes' of a booster leaves it.",
        (b"tree_sizes=", b"tree_sizes=1 "): moved,
        (b"\nthreshold=", b"\nthreshold "): moved,
        (b"shrinkage=0.05", b"shrinkage=0x05"): "The list 'shrinkage' of a booster is not 1"
        " numbers.",
        (b"Column_0 ", b"Column_9 "): "The features of a booster have names of their own.",
        (b"end of trees", b"end of tries"): "A booster does not end after its trees.",
    }
    forged = [replaced(content, *change) for change in said]
    assert said_of("lightgbm", forged, tmp_path) == list(said.values())


def test_what_follows_the_trees_of_lightgbm_is_not_read(tmp_path: Path) -> None:
    trees, end, _ = content_of("lightgbm").partition(b"end of trees\n")
    assert said_of("lightgbm", [trees + end + b"[" * 100_000], tmp_path) == ["It is taken."]


def test_forged_nodes_of_xgboost_are_refused(tmp_path: Path) -> None:
    content = content_of("xgboost")
    said = {
        ("split_indices", 500_000_000): OUTSIDE,
        ("split_indices", -1): OUTSIDE,
        ("left_children", 700_000_000): ASTRAY,
        ("left_children", 0): ASTRAY,
        ("left_children", 2): ASTRAY,
        ("right_children", -1): ASTRAY,
        ("parents", -1, 700_000_000): "A node of a booster names another parent.",
        ("split_type", 1): NO_THRESHOLD,
    }
    forged = [changed_array(content, array, values) for array, *values in said]
    assert said_of("xgboost", forged, tmp_path) == list(said.values())


def test_forged_bytes_of_xgboost_are_refused(tmp_path: Path) -> None:
    content, none = content_of("xgboost"), "XGBoost cannot read a booster."
    one = b"SL" + bytes(7) + b"\x01"
    said = {
        (b"num_nodesSL" + bytes(7), b"num_nodesSL" + b"\x7f" * 7): none,
        (b"tree_info[#L", b"tree_info[$L"): none,
        (b"attributes{}", b"attributes" + (b"[#L" + bytes(7) + b"\x01") * 100_000): none,
        (b"attributes{}", b"attributes" + (b"{L" + bytes(7) + b"\x01a") * 100_000): none,
        (b"[0E0]", b"[[[[["): none,
        (b"idi\x01", b"idi\x00"): "The trees of a booster are not one a round.",
        (b"num_class" + one + b"0", b"num_class" + one + b"9"): "A booster of XGBoost tells"
        " classes apart.",
        (b"num_target" + one + b"1", b"num_target" + one + b"9"): "A booster has names, categories"
        " or more than one target.",
    }
    forged = [replaced(content, *change) for change in said]
    assert said_of("xgboost", forged, tmp_path) == list(said.values())


def test_forged_nodes_of_catboost_are_refused(tmp_path: Path) -> None:
    free, symmetric = content_of("catboost"), symmetric_of_catboost()
    borders, division = "looks at a feature outside", "do not divide its splits"
    said = {
        (free, 1, "<i4", 700_000_000): borders,
        (free, 2, "<i4", 700_000_000): division,
        (free, 3, "<i4", 700_000_000): division,
        (free, 10, "<u2", 60_000): "outside its tree",
        (free, 11, "<u4", 5_000): "A leaf of a booster is not in its tree",
        (free, 17, "<u2", 60_000): "not those of its borders",
        (symmetric, 1, "<i4", -1): borders,
        (symmetric, 2, "<i4", 700_000_000): division,
        (symmetric, 2, "<i4", 5, 3): division,
        (symmetric, 17, "<u2", 60_000): "not those of its borders",
    }
    forged = [changed_vector(*change[:3], change[3:]) for change in said]
    for refused, expected in zip(said_of("catboost", forged, tmp_path), said.values(), strict=True):
        assert expected in refused


def symmetric_of_catboost() -> bytes:
    config = small("catboost", grow_policy="SymmetricTree")
    learner = learner_of(
        "catboost", {k: v for k, v in config.items() if k != "min_data_in_leaf"}, linear()
    )
    learner.advance()
    return learner.model()["chunk0"][DIGEST:].tobytes()


def test_forged_information_of_catboost_is_refused(tmp_path: Path) -> None:
    content, old = content_of("catboost"), b'{"detailed_profile":false'
    forged = [
        replaced(content, old, new) for new in (old.replace(b":", b" "), old[:-2] + b"\xff\xff")
    ]
    assert said_of("catboost", forged, tmp_path) == ["CatBoost cannot read a booster."] * 2


@pytest.mark.slow
def test_a_booster_with_bytes_changed_at_random_ends_no_process(name: str, tmp_path: Path) -> None:
    content, draw = np.frombuffer(content_of(name), np.uint8), np.random.default_rng(0)
    forged = [content.copy() for _ in range(300)]
    for changed in forged:
        changed[draw.integers(len(changed), size=2)] = draw.integers(256, size=2)
    assert len(said_of(name, [changed.tobytes() for changed in forged], tmp_path)) == 300


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"objective": "count:poisson"}, "gbtree for count:poisson"),
        ({"booster": "gblinear", "objective": "reg:squarederror"}, "gblinear for reg:squared"),
    ],
)
def test_xgboost_of_another_kind_is_refused(params: dict[str, str], message: str) -> None:
    import xgboost as module

    train = module.DMatrix(np.eye(8, dtype=np.float32), label=np.arange(8))
    booster = module.train({**params, "nthread": 1, "verbosity": 0}, train, 1)
    package = xgboost.Package(1)
    with pytest.raises(InputError, match=f"A booster of XGBoost is {message}"):
        package.read(package.write(booster))


def test_a_line_hidden_in_the_head_of_lightgbms_text_is_refused(tmp_path: Path) -> None:
    """It ends lines at a carriage return too."""
    content = content_of("lightgbm")
    hidden = [
        content.replace(b"feature_infos=", b"feature_infos=" + sign + b"max_feature_idx=2" + sign)
        for sign in (b"\r", b"\0")
    ]
    for said in said_of("lightgbm", hidden, tmp_path):
        assert said != "It is taken."
