"""Training of networks: scaling, batches, randomness, checkpoints."""

import itertools

import numpy as np
import pytest
import torch
from linear import linear

from fesearch.arrays import Arrays
from fesearch.errors import InputError
from fesearch.families.irnet import build, load
from fesearch.nets.config import BEST_2019 as BEST
from fesearch.nets.config import check_stack as check
from fesearch.nets.train import NetLearner, batches
from fesearch.scaling import Scaling
from fesearch.space import Config
from fesearch.split import Development

SMALL: Config = {**BEST, "depth": 4, "width": 0.0625, "learning_rate": 1e-2}


def learner_of(config: Config, data: Development, seed: int = 1) -> NetLearner:
    found = build(config, data, seed=seed, threads=1, device="cpu")
    assert isinstance(found, NetLearner)
    return found


def scaling_of(x: np.ndarray, y: np.ndarray, output: str | None = None) -> Scaling:
    return Scaling.of(np.asarray(x, np.float32), np.asarray(y, np.float64), output)


def test_features_have_mean_0_and_deviation_1_over_training_rows() -> None:
    x = linear().train_x * [1e-3, 1, 1e3, 1e6, 1, 1, 1, 1] + 5
    scaled = scaling_of(x, np.zeros(len(x))).features(x.astype(np.float32))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-5)


def test_what_is_not_finite_becomes_the_mean_and_a_constant_feature_0() -> None:
    nan, inf = np.nan, np.inf
    x = np.array([[1, 7, nan, 1], [3, 7, nan, nan], [nan, 7, nan, inf], [2, 7, nan, 3]], np.float32)
    scaled = scaling_of(x, np.arange(4)).features(x)
    assert np.isfinite(scaled).all()
    assert scaled[2, 0] == scaled[1, 3] == scaled[2, 3] == 0
    assert not scaled[:, 1:3].any()
    other = scaling_of(x, np.arange(4)).features(np.full((1, 4), 8.0, np.float32))
    assert not other[:, 1:3].any()


def test_the_validation_rows_do_not_touch_the_scaling() -> None:
    data = linear()
    far = Development(data.train_x, data.train_y, data.val_x + 100, data.val_y + 100)
    one, other = learner_of(SMALL, data), learner_of(SMALL, far)
    one.advance(), other.advance()
    for name, array in one.model().items():
        np.testing.assert_array_equal(array, other.model()[name])


@pytest.mark.parametrize(
    ("output", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, 1)]
)
def test_the_target_is_laid_on_the_range_of_an_output_activation(
    output: str, low: float, high: float
) -> None:
    y = np.array([-4.0, -1.0, 2.5])
    scaling = scaling_of(np.zeros((3, 1)), y, output)
    target = scaling.target(y)
    assert (target.min(), target.max()) == (low, high)
    np.testing.assert_allclose(scaling.prediction(target), y, atol=1e-6)


def test_a_constant_target_is_predicted_as_it_is() -> None:
    for output in (None, "sigmoid", "tanh", "relu"):
        scaling = scaling_of(np.zeros((3, 1)), np.full(3, -2.0), output)
        np.testing.assert_allclose(scaling.prediction(scaling.target(np.full(3, -2.0))), -2.0)


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        (129, 64, [64, 65]),
        (143, 64, [64, 79]),
        (144, 64, [64, 64, 16]),
        (15, 64, [15]),
        (5, 2, [2, 3]),
        (8, 4, [4, 4]),
    ],
)
def test_a_few_last_rows_join_the_batch_before(rows: int, size: int, expected: list[int]) -> None:
    found = batches(torch.arange(rows), size)
    assert [len(batch) for batch in found] == expected
    assert torch.cat(found).tolist() == list(range(rows))


def test_a_single_last_row_joins_the_batch_before() -> None:
    sizes = [len(batch) for batch in batches(torch.arange(9), 4)]
    assert sizes == [4, 5]
    assert torch.cat(batches(torch.arange(9), 4)).tolist() == list(range(9))
    assert [len(batch) for batch in batches(torch.arange(10), 4)] == [4, 4, 2]
    assert [len(batch) for batch in batches(torch.arange(3), 100)] == [3]


def test_every_row_is_seen_once_an_epoch_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def spy(order: torch.Tensor, size: int) -> list[torch.Tensor]:
        seen.append(order.tolist())
        return batches(order, size)

    monkeypatch.setattr("fesearch.nets.train.batches", spy)
    learner = learner_of(SMALL, linear())
    learner.advance()
    learner.advance()
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(160))
    assert seen[0] != seen[1]


def test_one_training_row_is_refused() -> None:
    data = linear()
    one = Development(data.train_x[:1], data.train_y[:1], data.val_x, data.val_y)
    with pytest.raises(InputError, match="The training part has 1 row"):
        learner_of(SMALL, one)


def test_the_random_state_of_the_process_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    learner_of({**SMALL, "dropout": 0.5}, linear()).advance()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    one = learner_of({**SMALL, "dropout": 0.5}, linear()).advance()
    torch.manual_seed(5)
    np.testing.assert_array_equal(one, learner_of({**SMALL, "dropout": 0.5}, linear()).advance())


OPTIMIZERS = [
    {"optimizer": "sgd"},
    {"optimizer": "momentum"},
    {"optimizer": "momentum", "momentum": 0.5},
    {"optimizer": "adam"},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"optimizer": "rmsprop"},
    {"optimizer": "adadelta", "learning_rate": 1.0},
]
CHOICES = [
    *OPTIMIZERS,
    {"optimizer": "adam", "weight_decay": 0.1},
    {"loss": "mse"},
    {"loss": "huber"},
    {"norm": "after"},
    {"norm": None},
    {"dropout": 0.4},
    {"batch_size": 32},
    {"learning_rate": 1e-3},
    {"depth": 5},
    {"width": 0.125},
    {"activation": "tanh"},
    {"output_activation": "tanh"},
    {"schedule": "cosine", "epochs": 5},
    {"schedule": "one_cycle", "epochs": 5},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_checkpoint_goes_on_bit_for_bit(choice: Config) -> None:
    config, data = {**SMALL, **choice}, linear()
    check(config)
    straight, taken_up = learner_of(config, data), learner_of(config, data)
    for _ in range(2):
        straight.advance()
    taken_up.restore(straight.checkpoint())
    for _ in range(2):
        np.testing.assert_array_equal(straight.advance(), taken_up.advance())


def copied(learner: NetLearner) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in learner.checkpoint().items()}


def paused(config: Config, data: Development) -> tuple[list[np.ndarray], list[Arrays]]:
    """The predictions after each of three epochs, and a checkpoint after each of their batches."""
    learner, pauses = learner_of(config, data), list[Arrays]()
    learner.on_pause(lambda: pauses.append(copied(learner)))
    return [learner.advance() for _ in range(3)], pauses


@pytest.mark.parametrize("choice", [*CHOICES, {"schedule": "plateau"}, {"batch_size": 2}], ids=str)
def test_a_checkpoint_within_an_epoch_goes_on_bit_for_bit(choice: Config) -> None:
    config, data = {**SMALL, "batch_size": 64, **choice}, linear()
    expected, pauses = paused(config, data)
    batches = len(pauses) // 3
    for place in (0, batches // 2, batches - 1, batches + 1):
        taken_up = learner_of(config, data)
        taken_up.restore(pauses[place])
        same = taken_up.checkpoint()
        assert same.keys() == pauses[place].keys()
        assert all(np.array_equal(same[name], pauses[place][name]) for name in same)
        state = torch.get_rng_state()
        for wanted in expected[place // batches :]:
            np.testing.assert_array_equal(taken_up.advance(), wanted)
        assert torch.equal(torch.get_rng_state(), state)


def test_a_checkpoint_between_epochs_has_no_random_state() -> None:
    learner = learner_of({**SMALL, "dropout": 0.4}, linear())
    learner.advance()
    assert not [name for name in learner.checkpoint() if name.startswith(("random.", "batch"))]


MIDDLE = "random.cpu"


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ({"batch": np.array(4)}, "The checkpoint is after batch 4 of an epoch of 3."),
        ({"batch": np.array(0)}, "The checkpoint is after batch 0 of an epoch of 3."),
        ({"batch": np.array(-1)}, "The checkpoint is after batch -1 of an epoch of 3."),
        ({"batch": np.array(1.0)}, "The array 'batch' of the checkpoint is float64"),
        ({"batch": np.array([1])}, "The array 'batch' of the checkpoint is int64"),
        ({"batch": None}, "that does not belong to its config"),
        ({MIDDLE: None}, "The checkpoint lacks the array 'cpu'."),
        ({MIDDLE: np.zeros(16, np.uint8)}, r"'cpu' of the checkpoint is uint8 \(16,\)"),
        ({MIDDLE: np.zeros(5056, np.int8)}, r"'cpu' of the checkpoint is int8"),
        ({MIDDLE: np.full(5056, 255, np.uint8)}, "'cpu' of the checkpoint is no state of a gen"),
        ({"random.x": np.zeros(3)}, "The checkpoint has an array 'x' that does not belong"),
        ({"random.cuda": np.zeros(8, np.uint8)}, r"'cuda' of the checkpoint is uint8 \(8,\)"),
        ({"optimizer.0.exp_avg": None}, r"lacks the array 'optimizer\.0\.exp_avg'"),
    ],
)
def test_what_is_no_checkpoint_within_an_epoch_is_refused(
    forged: dict[str, np.ndarray | None], said: str
) -> None:
    data = linear()
    _, (checkpoint, *_) = paused({**SMALL, "batch_size": 64}, data)
    arrays = {k: v for k, v in {**checkpoint, **forged}.items() if v is not None}
    with pytest.raises(InputError, match=said):
        learner_of({**SMALL, "batch_size": 64}, data).restore(arrays)


def test_every_parameter_of_a_config_changes_the_training() -> None:
    data = linear()
    results = []
    for choice in CHOICES:
        learner = learner_of({**SMALL, **choice}, data)
        learner.advance()
        results.append(learner.advance())
    same = [
        (CHOICES[i], CHOICES[j])
        for i, j in itertools.combinations(range(len(CHOICES)), 2)
        if np.array_equal(results[i], results[j])
    ]
    assert same == []


def test_a_checkpoint_of_another_optimizer_is_refused_and_a_torn_one_too() -> None:
    data = linear()
    learner = learner_of(SMALL, data)
    learner.advance()
    checkpoint = learner.checkpoint()
    with pytest.raises(InputError, match="does not belong to its config"):
        learner_of({**SMALL, "optimizer": "sgd"}, data).restore(checkpoint)
    torn = {name: array for name, array in checkpoint.items() if name != "optimizer.0.exp_avg"}
    with pytest.raises(InputError, match=r"lacks the array 'optimizer\.0\.exp_avg'"):
        learner_of(SMALL, data).restore(torn)


def test_momentum_is_of_momentum_alone() -> None:
    with pytest.raises(InputError, match="'momentum' is given but unused"):
        check({**BEST, "momentum": 0.9})
    check({**BEST, "optimizer": "momentum", "momentum": 0.8})
    check({**BEST, "optimizer": "momentum"})


def test_epochs_are_of_schedules_that_end_alone() -> None:
    check({**BEST, "schedule": "cosine", "epochs": 30})
    with pytest.raises(InputError, match="'epochs' is given but unused"):
        check({**BEST, "epochs": 30})
    with pytest.raises(InputError, match="'epochs' is missing"):
        check({**BEST, "schedule": "one_cycle"})


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "plateau"])
def test_a_schedule_goes_on_from_a_checkpoint(schedule: str) -> None:
    config = {**SMALL, "schedule": schedule, "learning_rate": 0.3}
    config |= {"epochs": 6} if schedule != "plateau" else {}
    data = linear()
    straight, other = learner_of(config, data), learner_of(config, data)
    for _ in range(3):
        straight.advance()
    other.restore({name: array.copy() for name, array in straight.checkpoint().items()})
    for _ in range(3):
        np.testing.assert_array_equal(straight.advance(), other.advance())
    constant = learner_of({**SMALL, "learning_rate": 0.3}, data)
    last = [constant.advance() for _ in range(6)][-1]
    if schedule != "plateau":
        assert not np.array_equal(last, straight.advance())


def test_without_standardising_features_reach_the_network_as_they_are() -> None:
    x = np.array([[1, np.nan], [3, 7]], np.float32)
    scaling = Scaling.of(x, np.arange(2.0), standardise=False)
    np.testing.assert_array_equal(scaling.features(x), [[1, 0], [3, 7]])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", 49),
        ("depth", 17.0),
        ("width", float("nan")),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("batch_size", 1),
        ("dropout", 1.0),
        ("norm", "between"),
        ("optimizer", "lion"),
        ("schedule", "step"),
    ],
)
def test_a_config_no_network_can_be_trained_from_is_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"'{name}' is "):
        check({**BEST, name: value})  # type: ignore[dict-item]


@pytest.mark.parametrize("worth", [np.nan, np.inf])
@pytest.mark.parametrize("ending", [".weight", ".bias", ".running_mean", ".running_var"])
def test_weights_that_are_not_finite_are_refused(ending: str, worth: float) -> None:
    name, message = refused(ending, worth)
    assert message == f"The array '{name}' of the model has a number that is not finite."


def test_a_variance_below_zero_is_refused() -> None:
    name, message = refused(".running_var", -1e-3)
    assert message == f"The array '{name}' of the model has a variance below zero."


def refused(ending: str, worth: float) -> tuple[str, str]:
    """The last array of that ending, one number of it forged, and what is said of it."""
    learner = learner_of(SMALL, linear())
    learner.advance()
    arrays = dict(learner.model())
    assert load(SMALL, arrays, width=8, threads=1, device="cpu")(linear().val_x).shape == (40,)
    name = [found for found in arrays if found.endswith(ending)][-1]
    arrays[name] = arrays[name].copy()
    arrays[name].flat[-1] = worth
    with pytest.raises(InputError) as caught:
        load(SMALL, arrays, width=8, threads=1, device="cpu")
    return name, caught.value.message


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_trains_to_what_a_cpu_does() -> None:
    data = linear(rows=1000)
    scores = []
    for device in ("cpu", "cuda"):
        learner = build(SMALL, data, seed=1, threads=1, device=device)
        predictions = [learner.advance() for _ in range(10)][-1]
        scores.append(np.mean(np.abs(predictions - data.val_y)))
    assert scores[1] == pytest.approx(scores[0], rel=0.2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_checkpoint_within_an_epoch_moves_between_gpu_and_cpu() -> None:
    data, config = linear(), {**SMALL, "batch_size": 64, "dropout": 0.4}
    for one, other in (("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")):
        straight = build(config, data, seed=1, threads=1, device=one)
        pauses: list[Arrays] = []
        straight.on_pause(lambda pauses=pauses, at=straight: pauses.append(copied(at)))  # type: ignore[misc]
        straight.advance()
        expected = straight.advance()
        taken_up = build(config, data, seed=1, threads=1, device=other)
        taken_up.restore(pauses[4])
        found = taken_up.advance()
        if one == other:
            np.testing.assert_allclose(found, expected, atol=1e-4)
        else:  # of other numbers for dropout
            assert np.isfinite(found).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_checkpoint_moves_between_gpu_and_cpu() -> None:
    data = linear()
    for dropout in (0.0, 0.4):
        config = {**SMALL, "dropout": dropout}
        gpu = build(config, data, seed=1, threads=1, device="cuda")
        gpu.advance()
        cpu = build(config, data, seed=1, threads=1, device="cpu")
        cpu.restore(gpu.checkpoint())
        again = build(config, data, seed=1, threads=1, device="cuda")
        again.restore(gpu.checkpoint())
        straight = gpu.advance()
        np.testing.assert_allclose(again.advance(), straight, atol=1e-4)
        if dropout == 0.0:
            np.testing.assert_allclose(cpu.advance(), straight, atol=0.1)
