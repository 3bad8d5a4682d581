"""Kernels and neighbours: scikit-learn's predictions, portions, costs and what is refused."""

import re
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from linear import linear
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVR

from fesearch.classical import affordable, kernels, neighbours
from fesearch.classical.affordable import (
    Cost,
    drawn,
    free_memory,
    of_a_trial,
    refuse_too_costly,
    refuse_too_long,
    refuse_too_many,
)
from fesearch.classical.onefit import standardised
from fesearch.duration import duration
from fesearch.errors import InputError
from fesearch.families import k_neighbors, krr, svr
from fesearch.family import FAMILIES
from fesearch.space import Config, Value
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


def test_rows_are_drawn_once_and_fewer_are_among_more() -> None:
    data = linear()
    fewer, more = drawn(data, 30), drawn(data, 50)
    assert len(np.unique(more.train_y)) == len(more.train_y) == 50
    assert set(fewer.train_y) < set(more.train_y)
    np.testing.assert_array_equal(more.train_x, drawn(data, 50).train_x)
    assert not np.array_equal(more.train_y, data.train_y[:50])
    assert drawn(data, None) is drawn(data, 160) is data


@pytest.mark.parametrize("name", FAMILY_OF)
def test_configs_of_any_seed_are_trained_on_the_same_rows(name: str) -> None:
    config = {**FAMILY_OF[name].best, "rows": 40}
    one, other = (
        FAMILY_OF[name].build(config, linear(), seed=seed, threads=1, device="cpu").advance()
        for seed in (1, 2)
    )
    np.testing.assert_array_equal(one, other)


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
    monkeypatch.setattr(affordable, "MOST_HOURS", 1e-12)
    with pytest.raises(InputError, match=f"^{name} on 160 training rows takes about"):
        FAMILY_OF[name].build(FAMILY_OF[name].best, linear(), seed=1, threads=1, device="cpu")


def rows_of(count: int, width: int = 1, val: int = 5) -> Development:
    """Data of that size, which take no memory: all of a part are one number."""
    x, y = np.zeros((1, 1), np.float32), np.zeros(1)
    return Development(
        train_x=np.broadcast_to(x, (count, width)),
        train_y=np.broadcast_to(y, (count,)),
        val_x=np.broadcast_to(x, (val, width)),
        val_y=np.broadcast_to(y, (val,)),
    )


def test_a_refusal_says_the_cost_and_how_many_rows_are_affordable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(affordable, "free_memory", lambda: 20_000_000_000)

    def cost(config: Config, data: Development, count: int) -> Cost:
        return Cost(memory=8.0 * count**2, seconds=1e-6 * count**2)

    with pytest.raises(InputError) as refused:
        refuse_too_many("krr", {"rows": None}, rows_of(100_000), cost, trials=2)
    assert refused.value.message == (
        "krr on 100000 training rows takes about 80.0 GB and 2.8 hours; a trial may take 8.0 GB "
        "and 2 hours here."
    )
    assert refused.value.hint == "Train it on rows drawn from them: --set space.rows=31000"
    refuse_too_many("krr", {"rows": None}, rows_of(31_000), cost, trials=2)
    refuse_too_many("krr", {"rows": 31_000}, rows_of(100_000), cost, trials=2)
    refuse_too_many("krr", {"rows": None}, rows_of(40_000), cost)
    with pytest.raises(InputError, match="31700 training rows"):
        refuse_too_many("krr", {"rows": 50_000}, rows_of(31_700), cost, trials=2)


def test_a_trial_on_inner_folds_takes_the_time_of_all_its_fits_and_the_memory_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(affordable, "free_memory", lambda: 20_000_000_000)
    folds = np.arange(80_000) % 4  # 60,000 rows outside each of them, 20,000 inside
    data = replace(rows_of(80_000), folds=folds)

    def cost(config: Config, data: Development, count: int) -> Cost:
        return Cost(memory=count * 1e5, seconds=count / 10 * len(data.val_y) / 20_000)

    rows, wanted = of_a_trial({"rows": None}, data, cost)
    assert (rows, wanted) == (60_000, Cost(memory=6e9, seconds=24_000.0))
    with pytest.raises(InputError) as refused:
        refuse_too_many("krr", {"rows": None}, data, cost)
    assert refused.value.message == (
        "krr on 60000 training rows for each of 4 inner folds takes about 6.0 GB and 6.7 hours; "
        "a trial may take 16.0 GB and 2 hours here."
    )
    assert refused.value.hint == "Train it on rows drawn from them: --set space.rows=16000"
    refuse_too_many("krr", {"rows": 16_000}, data, cost)
    refuse_too_many("krr", {"rows": None}, rows_of(60_000), cost)
    family = replace(krr.FAMILY, cost=cost)
    refuse_too_long(family, krr.FULL.replace("rows", 2_500), data, 1_000.0)
    with pytest.raises(InputError, match=r"^krr on 2600 training rows for each of 4 inner folds "):
        refuse_too_long(family, krr.FULL.replace("rows", 2_600), data, 1_000.0)
    refuse_too_costly(family, krr.FULL.replace("rows", 16_000), data, trials=1)
    with pytest.raises(InputError, match=r"and 2\.8 hours"):
        refuse_too_costly(family, krr.FULL.replace("rows", [9_000, 25_000]), data, trials=1)


def test_a_space_is_refused_for_its_costliest_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affordable, "free_memory", lambda: 64_000_000_000)
    data = rows_of(120_000, 145)
    refuse_too_costly(svr.FAMILY, svr.PUBLISHED, data, trials=1)
    with pytest.raises(InputError) as refused:
        refuse_too_costly(svr.FAMILY, svr.FULL, data, trials=1)
    assert refused.value.message == (
        "svr on 120000 training rows takes about 0.8 GB and 3.8 hours; a trial may take 51.2 GB "
        "and 2 hours here. That is where 'c' is 100.0, as the space allows."
    )
    assert refused.value.hint == (
        "Train it on rows drawn from them: --set space.rows=78000; or leave the values of less "
        "cost: --set space.c=1.0"
    )
    refuse_too_costly(svr.FAMILY, svr.FULL.replace("c", 1.0), data, trials=1)
    refuse_too_costly(svr.FAMILY, svr.FULL.replace("rows", 78_000), data, trials=1)
    with pytest.raises(InputError, match=r"on 120000 training rows .* where 'c' is 100\.0, as"):
        refuse_too_costly(svr.FAMILY, svr.FULL.replace("rows", ["none", 9_000]), data, trials=1)


def test_a_first_config_that_takes_longer_than_a_trial_may_is_refused() -> None:
    data = rows_of(20_000, 145)
    with pytest.raises(InputError) as refused:
        refuse_too_long(krr.FAMILY, krr.FULL, data, 225.0)
    assert re.fullmatch(
        r"krr on 20000 training rows takes about \S+ for its first config; a trial may take "
        r"3m45s \(trial_time_limit\)\.",
        refused.value.message,
    )
    found = re.search(r"space\.rows=(\d+);.*trial_time_limit=(\S+)$", refused.value.hint or "")
    assert found is not None
    refuse_too_long(krr.FAMILY, krr.FULL.replace("rows", int(found[1])), data, 225.0)
    refuse_too_long(krr.FAMILY, krr.FULL, data, duration(found[2]))
    refuse_too_long(FAMILIES.get("ridge"), FAMILIES.get("ridge").full, data, 1e-9)


def test_trials_side_by_side_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affordable, "free_memory", lambda: 4_000_000_000)
    data = rows_of(14_000, 145)
    refuse_too_costly(krr.FAMILY, krr.FULL, data, trials=1)
    with pytest.raises(InputError, match=r"takes about 1.6 GB .* a trial may take 0.8 GB"):
        refuse_too_costly(krr.FAMILY, krr.FULL, data, trials=4)


def test_what_grows_no_faster_than_its_rows_is_not_asked() -> None:
    family = FAMILIES.get("ridge")
    assert family.cost is None
    refuse_too_costly(family, family.full, rows_of(1 << 40), trials=1)


def test_estimates_are_of_the_measured_size() -> None:
    def seconds(module: ModuleType, rows: int, width: int, val: int = 5, **keys: Value) -> float:
        data = rows_of(rows, width, val)
        return float(module.cost({**module.BEST, **keys}, data, rows).seconds)

    assert seconds(svr, 10_000, 145) == pytest.approx(15, rel=0.2)
    assert seconds(svr, 5_000, 145, c=100.0) == pytest.approx(21, rel=0.2)
    assert seconds(svr, 6_000, 20) == pytest.approx(4.1, rel=0.35)
    assert seconds(svr, 3_000, 5) == pytest.approx(0.66, rel=0.2)
    assert seconds(svr, 6_000, 1) == pytest.approx(2.5, rel=0.2)
    assert seconds(k_neighbors, 8_000, 5, 4_000) == pytest.approx(0.56, rel=0.2)
    assert seconds(k_neighbors, 8_000, 1, 4_000) == pytest.approx(0.4, rel=0.2)
    assert seconds(krr, 4_000, 1) == pytest.approx(1.6, rel=0.3)  # its factor is most of it
    assert seconds(krr, 20_000, 145) > 4 * seconds(krr, 10_000, 145)
    whole = krr.cost(krr.BEST, rows_of(100_000, 145), 100_000)
    assert whole.memory == pytest.approx(80e9, rel=0.01)


def test_free_memory_is_some() -> None:
    assert 1 << 26 < free_memory() < 1 << 48
