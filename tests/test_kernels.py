"""Kernels and neighbours: scikit-learn's predictions, portions, costs and what is refused."""

import re

import numpy as np
import pytest
from linear import linear
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR

from fesearch import affordable, kernels, neighbours
from fesearch.affordable import Cost, drawn, free_memory, refuse_too_many
from fesearch.errors import InputError
from fesearch.families import k_neighbors, krr, svr
from fesearch.family import FAMILIES
from fesearch.onefit import standardised
from fesearch.space import Config
from fesearch.split import Development

FAMILY_OF = {name: FAMILIES.get(name) for name in ("svr", "krr", "k_neighbors")}


def predicted(name: str, config: Config) -> np.ndarray:
    return FAMILY_OF[name].build(config, linear(), seed=1, threads=1, device="cpu").advance()


CASES = [
    ("svr", {**svr.BEST, "c": 3.0}, SVR(C=3.0, gamma=1 / 8)),
    ("krr", {**krr.BEST, "alpha": 0.1}, KernelRidge(alpha=0.1, kernel="rbf")),
    ("krr", {**krr.BEST, "kernel": "laplacian"}, KernelRidge(kernel="laplacian")),
    ("k_neighbors", k_neighbors.BEST, KNeighborsRegressor()),
    (
        "k_neighbors",
        {**k_neighbors.BEST, "weights": "distance", "metric": "manhattan"},
        KNeighborsRegressor(weights="distance", metric="manhattan"),
    ),
]


@pytest.mark.parametrize(("name", "config", "theirs"), CASES)
def test_predictions_are_those_of_scikit_learn(name: str, config: Config, theirs: SVR) -> None:
    data = linear()
    scaling, x, y = standardised(data.train_x, data.train_y)
    theirs.fit(x, y)
    expected = scaling.prediction(theirs.predict(scaling.features(data.val_x).astype(float)))
    np.testing.assert_allclose(predicted(name, config), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "config"), [case[:2] for case in CASES])
def test_portions_give_the_same(monkeypatch: pytest.MonkeyPatch, name: str, config: Config) -> None:
    whole = predicted(name, config)
    monkeypatch.setattr(kernels, "PORTION", 8 * 160 * 7)
    monkeypatch.setattr(neighbours, "ROWS", 7)
    np.testing.assert_allclose(predicted(name, config), whole, atol=1e-8)


def test_an_equal_row_counts_alone_by_distance() -> None:
    data = linear()
    config = {**k_neighbors.BEST, "weights": "distance", "metric": "manhattan"}
    learner = k_neighbors.build(config, data, seed=1, threads=1, device="cpu")
    learner.advance()
    predict = k_neighbors.load(config, learner.model(), width=8, threads=1, device="cpu")
    np.testing.assert_allclose(predict(data.train_x), data.train_y, atol=1e-12)


def test_rows_are_drawn_by_the_seed() -> None:
    data = linear()
    one, same, other = (drawn(data, 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.train_x, same.train_x)
    assert not np.array_equal(one.train_x, other.train_x)
    assert len(one.train_y) == 50
    assert len(np.unique(one.train_y)) == 50
    assert drawn(data, None, 1) is drawn(data, 160, 1) is data


@pytest.mark.parametrize("name", FAMILY_OF)
def test_a_model_of_drawn_rows_has_so_many(name: str) -> None:
    config = {**FAMILY_OF[name].best, "rows": 40}
    learner = FAMILY_OF[name].build(config, linear(), seed=1, threads=1, device="cpu")
    learner.advance()
    assert len(learner.model()["rows"]) <= 40


@pytest.mark.parametrize("name", FAMILY_OF)
@pytest.mark.parametrize("rows", [0, 1, 2.5, True])
def test_an_impossible_number_of_rows_is_refused(name: str, rows: float) -> None:
    with pytest.raises(InputError, match=re.escape(f"'rows' is {rows!r}")):
        FAMILY_OF[name].check({**FAMILY_OF[name].best, "rows": rows})


@pytest.mark.parametrize("name", FAMILY_OF)
def test_too_many_rows_are_refused_before_training(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(affordable, "MOST_HOURS", 0.0)
    with pytest.raises(InputError, match=f"^{name} on 160 training rows takes about"):
        FAMILY_OF[name].build(FAMILY_OF[name].best, linear(), seed=1, threads=1, device="cpu")


def test_a_refusal_says_the_cost_and_how_many_rows_are_affordable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(affordable, "free_memory", lambda: 16_000_000_000)

    def cost(count: int) -> Cost:
        return Cost(memory=8.0 * count**2, seconds=1e-6 * count**2)

    def rows(count: int) -> Development:
        empty = np.zeros((count, 1), np.float32)
        return Development(empty, empty[:, 0], empty[:5], empty[:5, 0])

    with pytest.raises(InputError) as refused:
        refuse_too_many("krr", {"rows": None}, rows(100_000), cost)
    assert refused.value.message == (
        "krr on 100000 training rows takes about 80.0 GB and 2.8 hours; a trial may take 8.0 GB "
        "and 2 hours here."
    )
    assert refused.value.hint == "Train it on rows drawn from them: --set space.rows=31000"
    refuse_too_many("krr", {"rows": None}, rows(31_000), cost)
    refuse_too_many("krr", {"rows": 31_000}, rows(100_000), cost)
    with pytest.raises(InputError, match="31700 training rows"):
        refuse_too_many("krr", {"rows": 50_000}, rows(31_700), cost)


def test_estimates_are_of_the_measured_size() -> None:
    assert svr.cost(svr.BEST, 10_000, 145).seconds == pytest.approx(15, rel=0.2)
    assert svr.cost({**svr.BEST, "c": 100.0}, 5_000, 145).seconds == pytest.approx(21, rel=0.2)
    assert svr.cost(svr.BEST, 6_000, 20).seconds == pytest.approx(4.1, rel=0.35)
    assert svr.cost(svr.BEST, 3_000, 5).seconds == pytest.approx(0.66, rel=0.2)
    assert svr.cost(svr.BEST, 6_000, 1).seconds == pytest.approx(2.5, rel=0.2)
    assert k_neighbors.cost(8_000, 4_000, 5).seconds == pytest.approx(0.56, rel=0.2)
    assert k_neighbors.cost(8_000, 4_000, 1).seconds == pytest.approx(0.4, rel=0.2)
    assert krr.cost(4_000, 1).seconds == pytest.approx(1.6, rel=0.3)  # its factor is most of it
    assert krr.cost(100_000, 145).memory == pytest.approx(80e9, rel=0.01)
    assert krr.cost(20_000, 145).seconds > 4 * krr.cost(10_000, 145).seconds


def test_free_memory_is_some() -> None:
    assert 1 << 26 < free_memory() < 1 << 48
