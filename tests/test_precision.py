"""The precision of training: what it changes, and that what is scored is fp32."""

import numpy as np
import pytest
import torch

from fesearch.contract.asking import learner_of, small
from fesearch.contract.data import data_for, linear
from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.model import FittedModel
from fesearch.nets import precision
from fesearch.nets.train import NetLearner
from fesearch.studyfile import load

NETWORKS = [family.name for family in FAMILIES if "precision" in family.settable]
CPU = torch.device("cpu")


def test_every_network_has_it() -> None:
    named = "plain_mlp irnet srnet dnn cnn rnn attention"
    assert set(NETWORKS) == set(named.split())


@pytest.mark.parametrize("name", NETWORKS)
def test_bf16_trains_to_other_numbers_and_tf32_on_a_cpu_to_the_same(name: str) -> None:
    family = FAMILIES.get(name)
    data = data_for(family, rows=100)
    found = {}
    for kind in ("fp32", "tf32", "bf16"):
        learner = learner_of(family, {**small(family), "precision": kind}, data)
        found[kind] = [learner.advance() for _ in range(3)][-1]
        assert all(array.dtype != np.float16 for array in learner.model().values())
    np.testing.assert_array_equal(found["tf32"], found["fp32"])
    assert not np.array_equal(found["bf16"], found["fp32"])
    assert np.isfinite(found["bf16"]).all()
    np.testing.assert_allclose(found["bf16"], found["fp32"], atol=0.1 * np.ptp(data.train_y))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_scored_is_what_the_model_predicts_in_fp32(name: str) -> None:
    family = FAMILIES.get(name)
    data, config = data_for(family, rows=100), {**small(family), "precision": "bf16"}
    learner = learner_of(family, config, data)
    learner.advance()
    scored = learner.advance()
    arrays = learner.model()
    for reading in (config, small(family)):  # the precision is of training alone
        model = FittedModel(family.name, reading, data.width, arrays)
        np.testing.assert_array_equal(model.predict(data.val_x), scored)


def test_weights_and_optimizer_stay_fp32() -> None:
    family = FAMILIES.get("irnet")
    learner = learner_of(family, {**small(family), "precision": "bf16"}, linear(rows=100))
    seen = []
    assert isinstance(learner, NetLearner)
    learner.net.register_forward_hook(lambda net, given, found: seen.append(found.dtype))
    learner.advance()
    assert seen[0] is torch.bfloat16  # training, behind the last layer
    assert seen[-1] is torch.float32  # validation
    floats = [a for a in learner.checkpoint().values() if a.dtype.kind == "f" and a.ndim]
    assert {array.dtype for array in floats} == {np.dtype(np.float32)}


def settings() -> set[bool]:
    """Whether products may be of TF32, as ``torch.export`` asks."""
    return {torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32}


def test_tf32_is_of_steps_on_cuda_alone() -> None:
    """The settings are there without a GPU, so they can be looked at."""
    cuda = torch.device("cuda")
    precision.compute_in_fp32()
    with precision.training("tf32", CPU):
        assert settings() == {False}
    for kind, inside in (("tf32", True), ("fp32", False), ("bf16", False)):
        with precision.training(kind, cuda):
            assert settings() == {inside}
        assert settings() == {False}
    with pytest.raises(ZeroDivisionError), precision.training("tf32", cuda):
        raise ZeroDivisionError
    assert settings() == {False}


@pytest.mark.parametrize("preset", ["published", "full"])
def test_a_study_sets_it_in_either_space(preset: str) -> None:
    fixed = load("irnet", {"preset": preset}, ("space.precision=bf16",)).search_space()
    assert {fixed.sample(seed)["precision"] for seed in range(20)} == {"bf16"}
    both = load("irnet", {"preset": preset}, ("space.precision=['fp32','bf16']",)).search_space()
    assert {both.sample(seed)["precision"] for seed in range(20)} == {"fp32", "bf16"}


def test_studies_that_do_not_set_it_draw_as_before() -> None:
    family = FAMILIES.get("irnet")
    for preset in ("published", "full"):
        plain = load("irnet", {"preset": preset}).search_space()
        assert "precision" not in plain.parameters
        other = load("irnet", {"preset": preset}, ("space.precision=fp32",)).search_space()
        for seed in range(10):
            assert other.sample(seed) == {**plain.sample(seed), "precision": "fp32"}
    family.check({**family.best, "precision": "tf32"})


def test_a_precision_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="'precision' is 'fp16'") as caught:
        load("irnet", {}, ("space.precision=fp16",)).search_space()
    assert caught.value.hint == "Give one of: fp32, tf32, bf16."
    with pytest.raises(InputError, match="There is no parameter 'precision'"):
        load("random_forest", {}, ("space.precision=bf16",)).search_space()
