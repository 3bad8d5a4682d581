"""Boosted trees: step by step as in one training, kept in their own formats, and damaged ones."""

import importlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from linear import linear

from fesearch import boosting
from fesearch.boosters.flatbuffer import Table
from fesearch.boosting import DIGEST, BoostedLearner, BoostedPredictor, known, packed
from fesearch.errors import InputError
from fesearch.families import catboost, lightgbm, xgboost
from fesearch.family import FAMILIES
from fesearch.space import Config, Value
from fesearch.split import Development

NAMES = ("xgboost", "lightgbm", "catboost")
LOSSES = ("squared_error", "absolute_error")

SMALL: Mapping[str, Mapping[str, Value]] = {
    "xgboost": {"max_depth": 4},
    "lightgbm": {"num_leaves": 15},
    "catboost": {"depth": 4},
}
"""What makes the trees of a config small."""

NO_DRAWS: Mapping[str, Mapping[str, Value]] = {
    "xgboost": {"subsample": 1.0, "colsample_bynode": 1.0},
    "lightgbm": {"bagging_fraction": 1.0, "feature_fraction": 1.0},
    "catboost": {"subsample": 1.0, "rsm": 1.0, "random_strength": 0.0},
}
"""What takes all draws out of a config."""


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"fesearch.families.{name}")


def small(name: str, **keys: Value) -> Config:
    """The first config of a family with small trees, which are grown in no time."""
    return {**FAMILIES.get(name).best, **SMALL[name], **keys}


def learner_of(
    name: str, config: Config, data: Development, *, seed: int = 1, threads: int = 1
) -> BoostedLearner:
    found = FAMILIES.get(name).build(config, data, seed=seed, threads=threads, device="cpu")
    assert isinstance(found, BoostedLearner)
    return found


def predictor_of(name: str, arrays: Mapping[str, np.ndarray], width: int = 8) -> BoostedPredictor:
    family = FAMILIES.get(name)
    found = family.load(family.best, arrays, width=width, threads=1, device="cpu")
    assert isinstance(found, BoostedPredictor)
    return found


def mae(data: Development, predictions: np.ndarray) -> float:
    return float(np.mean(np.abs(data.val_y - predictions)))


def curved(rows: int = 1200, outliers: bool = False) -> Development:
    """Friedman's first function of five of twenty features, with noise (Ann. Stat. 1991)."""
    draw = np.random.default_rng(0)
    x = draw.uniform(size=(rows, 20)).astype(np.float32)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y = (y + 10 * x[:, 3] + 5 * x[:, 4] + draw.normal(size=rows)).astype(np.float64)
    val = rows // 4
    if outliers:
        y[val::50] += 200.0
    return Development(train_x=x[val:], train_y=y[val:], val_x=x[:val], val_y=y[:val])


def in_one_go(name: str, config: Config, data: Development, rounds: int) -> np.ndarray:
    """Validation predictions of a booster of all rounds, (n_val,)."""
    package = module_of(name).Package(1)
    start = boosting.CENTRES[str(config["loss"])](data.train_y)
    grow = package.grower(config, data.train_x, data.train_y - start)
    booster, _ = grow(np.zeros(len(data.train_y)), rounds=rounds, before=0, seed=1)
    return np.asarray(start + package.predict(booster, package.rows(data.val_x)))


def step_by_step(name: str, config: Config, data: Development, rounds: int) -> np.ndarray:
    learner = learner_of(name, config, data)
    return [learner.advance() for _ in range(rounds // FAMILIES.get(name).resource.step)][-1]


@pytest.mark.parametrize("loss", LOSSES)
def test_without_draws_steps_give_the_trees_of_one_training(name: str, loss: str) -> None:
    data, config = curved(), small(name, loss=loss, **NO_DRAWS[name])
    mine = step_by_step(name, config, data, 100)
    whole = in_one_go(name, config, data, 100)
    # rounding of margins can turn a split over where two are equally good
    assert np.quantile(np.abs(mine - whole), 0.9) < 0.01 * np.std(data.val_y)
    assert mae(data, mine) == pytest.approx(mae(data, whole), rel=0.01)


@pytest.mark.parametrize("loss", LOSSES)
def test_with_draws_steps_are_as_good_as_one_training(name: str, loss: str) -> None:
    data, config = curved(), small(name, loss=loss)
    mine = mae(data, step_by_step(name, config, data, 200))
    assert mine < 1.05 * mae(data, in_one_go(name, config, data, 200))
    assert mine < 0.35 * mae(data, np.full(len(data.val_y), np.mean(data.train_y)))


def test_absolute_errors_are_less_moved_by_outliers(name: str) -> None:
    data = curved(outliers=True)
    squared, absolute = (
        mae(data, step_by_step(name, small(name, loss=loss), data, 100)) for loss in LOSSES
    )
    assert absolute < 0.6 * squared


def test_growth_starts_from_the_constant_of_least_loss(name: str) -> None:
    data = curved(outliers=True)
    starts = [learner_of(name, small(name, loss=loss), data).model()["start"] for loss in LOSSES]
    assert starts == [[np.mean(data.train_y)], [np.median(data.train_y)]]


def test_a_target_far_from_zero_loses_no_digits(name: str) -> None:
    near, config = linear(), small(name)
    far = Development(near.train_x, near.train_y + 2.0**24, near.val_x, near.val_y + 2.0**24)
    expected = learner_of(name, config, near).advance()
    np.testing.assert_allclose(
        learner_of(name, config, far).advance() - 2.0**24, expected, rtol=0, atol=1e-3
    )


def test_two_threads_grow_the_same_trees_again(name: str) -> None:
    data = curved()
    one, same = (learner_of(name, small(name), data, threads=2).advance() for _ in range(2))
    np.testing.assert_array_equal(one, same)


def test_infinite_features_count_as_missing(name: str) -> None:
    data = linear()
    data.train_x[::5, 0] = np.nan
    learner = learner_of(name, small(name), data)
    learner.advance()
    predict = predictor_of(name, learner.model())
    missing, infinite = data.val_x.copy(), data.val_x.copy()
    missing[:, 0] = np.nan
    infinite[::2, 0], infinite[1::2, 0] = np.inf, -np.inf
    np.testing.assert_array_equal(predict(missing), predict(infinite))
    np.testing.assert_array_equal(known(infinite), missing)


def test_where_no_leaf_can_be_split_the_mean_is_predicted() -> None:
    data = linear()
    learner = learner_of("lightgbm", small("lightgbm", min_data_in_leaf=10_000), data)
    predictions = [learner.advance() for _ in range(2)][-1]
    np.testing.assert_allclose(predictions, np.mean(data.train_y))
    predict = predictor_of("lightgbm", learner.model())
    np.testing.assert_array_equal(predict(data.val_x), predictions)


@pytest.mark.parametrize("name", ["lightgbm", "catboost"])  # XGBoost's single leaves draw rows
def test_where_no_feature_varies_the_start_is_predicted(name: str) -> None:
    near, config = linear(), small(name)
    data = Development(np.ones_like(near.train_x), near.train_y, near.val_x, near.val_y)
    learner = learner_of(name, config, data)
    predictions = [learner.advance() for _ in range(2)][-1]
    np.testing.assert_allclose(predictions, np.mean(data.train_y), rtol=1e-6)
    np.testing.assert_array_equal(predictor_of(name, learner.model())(data.val_x), predictions)


def test_catboost_goes_on_where_nothing_is_left_to_learn() -> None:
    x = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.float64)
    data = Development(train_x=x[4:], train_y=y[4:], val_x=x[:4], val_y=y[:4])
    config = small("catboost", learning_rate=0.3, min_data_in_leaf=1, l2_leaf_reg=0.1, rsm=1.0)
    learner = learner_of("catboost", config, data)
    for _ in range(6):
        learner.advance()
    learned = np.mean(data.train_y) + learner.checkpoint()["margins"]
    np.testing.assert_allclose(learned, data.train_y, atol=1e-12)


def test_another_fault_of_catboost_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from catboost import CatBoost, CatBoostError

    learner = learner_of("catboost", small("catboost"), linear())
    asked: list[str] = []

    def fails(self: Any, pool: Any) -> None:
        asked.append("once")
        raise CatBoostError("Out of luck")

    monkeypatch.setattr(CatBoost, "fit", fails)
    with pytest.raises(CatBoostError, match="Out of luck"):
        learner.advance()
    assert asked == ["once"]


def leaves_dumped(name: str, booster: Any) -> int:
    """Leaves of a booster as its package writes it for people."""
    if name == "xgboost":
        return sum(tree.count("leaf=") for tree in booster.get_dump())
    if name == "lightgbm":
        return sum(tree["num_leaves"] for tree in booster.dump_model()["tree_info"])
    return len(booster.get_leaf_values())


def test_parameters_are_the_start_and_the_leaves(name: str) -> None:
    data, package = linear(), module_of(name).Package(1)
    learner = learner_of(name, small(name), data)
    assert learner.parameters == 1
    for _ in range(2):
        learner.advance()
    model = learner.model()
    boosters = [package.read(model[chunk][DIGEST:].tobytes()) for chunk in ("chunk0", "chunk1")]
    assert learner.parameters == 1 + sum(leaves_dumped(name, booster) for booster in boosters)


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_trees_grown_leaf_by_leaf_are_as_large_as_allowed(name: str) -> None:
    policy = {"xgboost": "lossguide", "catboost": "Lossguide"}[name]
    levels = {"xgboost": "max_depth", "catboost": "depth"}[name]
    config = {key: value for key, value in small(name).items() if key != levels}
    config |= {"grow_policy": policy, "max_leaves": 100}
    FAMILIES.get(name).check(config)
    learner = learner_of(name, config, curved())
    learner.advance()
    rounds = FAMILIES.get(name).resource.step
    assert 80 * rounds < learner.parameters <= 1 + 100 * rounds


QUIET = """
import sys
from linear import linear
from fesearch.family import FAMILIES
family = FAMILIES.get(sys.argv[1])
data = linear()
learner = family.build(family.best, data, seed=1, threads=1, device="cpu")
learner.advance()
family.load(family.best, learner.model(), width=8, threads=1, device="cpu")(data.val_x)
"""


def test_nothing_is_printed_and_no_file_is_left(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIET, name],
        env={"PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])


def test_a_missing_package_is_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError) as caught:
        learner_of(name, small(name), linear())
    assert str(caught.value) == (
        f"This needs the package '{name}', which is not installed.\n"
        "Type: pip install 'fesearch[boosters]'"
    )


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
from fesearch.boosting import packed
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


def test_a_checkpoint_without_its_sums_is_refused(name: str) -> None:
    learner = learner_of(name, small(name), linear())
    checkpoint = learner.checkpoint()
    for sums in ("margins", "sum"):
        rest = {key: array for key, array in checkpoint.items() if key != sums}
        with pytest.raises(InputError, match=f"The checkpoint lacks the array '{sums}'"):
            learner.restore(rest)


def test_the_random_strength_fades_with_the_rounds() -> None:
    assert catboost.fading(0.0, 1) == 0.5
    assert catboost.fading(0.0, 10**6) == pytest.approx(1.0, abs=1e-5)
    assert catboost.fading(np.log(1000), 1000) == pytest.approx(0.5)
    assert catboost.fading(1e6, 1000) == pytest.approx(0.0)


def test_seeds_reach_every_draw_of_lightgbm() -> None:
    for parameter in ("bagging_fraction", "feature_fraction", "extra_trees"):
        draws = {"bagging_fraction": 1.0, "feature_fraction": 1.0, "extra_trees": False}
        config = small("lightgbm", **{**draws, parameter: parameter == "extra_trees" or 0.5})
        one, other = (
            learner_of("lightgbm", config, linear(), seed=seed).advance() for seed in (1, 2)
        )
        assert not np.array_equal(one, other), parameter


def test_seeds_of_lightgbm_are_signed() -> None:
    assert set(lightgbm._seeds((1 << 32) - 1).values()) == {(1 << 31) - 1}


def test_a_line_hidden_in_the_head_of_lightgbms_text_is_refused(tmp_path: Path) -> None:
    """It ends lines at a carriage return too."""
    content = content_of("lightgbm")
    hidden = [
        content.replace(b"feature_infos=", b"feature_infos=" + sign + b"max_feature_idx=2" + sign)
        for sign in (b"\r", b"\0")
    ]
    for said in said_of("lightgbm", hidden, tmp_path):
        assert said != "It is taken."
