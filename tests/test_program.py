"""Networks as programs: what runs without fesearch predicts what the model does."""

import io
import warnings
from typing import Any, get_args

import numpy as np
import pytest
import torch

from fesearch import optional
from fesearch.contract.data import data_for
from fesearch.errors import InputError
from fesearch.family import FAMILIES, Family
from fesearch.folds import Mean
from fesearch.model import FittedModel
from fesearch.nets import program
from fesearch.nets.program import Kind, difference, program_of, written
from fesearch.nets.train import NetPredictor

NETWORKS = ("attention", "cnn", "dnn", "irnet", "plain_mlp", "rnn", "srnet")
KINDS: tuple[Kind, ...] = get_args(Kind)
SMALLER: dict[str, Any] = {
    "depth": 4,
    "width": 1 / 16,
    "blocks": 1,
    "hidden": 8,
    "highways": 1,
    "convolutions": 1,
    "channels": 4,
}


def model_of(family: Family, seed: int = 1) -> tuple[FittedModel, np.ndarray]:
    """A tiny model and the validation rows it has not seen."""
    data = data_for(family, rows=100)
    config = {name: SMALLER.get(name, value) for name, value in family.best.items()}
    if isinstance(family.best.get("width"), int):
        config["width"] = 8
    learner = family.build(config, data, seed=seed, threads=1, device="cpu")
    learner.advance()
    return FittedModel(family.name, config, data.width, learner.model()), data.val_x


def run(content: bytes, kind: Kind, x: np.ndarray) -> np.ndarray:
    """What somebody without fesearch does."""
    if kind == "onnx":
        onnxruntime = pytest.importorskip("onnxruntime")
        found: np.ndarray = onnxruntime.InferenceSession(content).run(None, {"x": x})[0]
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's, about itself
        module = torch.export.load(io.BytesIO(content)).module()
    answer: np.ndarray = module(torch.from_numpy(x)).numpy()
    return answer


def test_the_families_that_say_so_are_the_networks() -> None:
    said = [name for name in FAMILIES.names() if FAMILIES.get(name).program]
    assert tuple(said) == NETWORKS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_program_predicts_what_its_model_does(name: str, kind: Kind) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    model, x = model_of(FAMILIES.get(name))
    predictor = model.predictor()
    found = program_of(predictor, kind, x, scale=1.0)
    assert (found.kind, found.rows) == (kind, len(x))
    assert 0.0 <= found.difference < 1e-5
    lacking = x.copy()
    lacking[::2, 1] = np.nan
    lacking[1::2, 0] = np.inf
    lacking[3] = np.nan
    for rows in (x[:1], x[:2], x, lacking, np.concatenate([x] * 7)):
        given = run(found.content, kind, rows)
        assert given.dtype == np.float64
        np.testing.assert_allclose(given, predictor(rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_over_inner_folds_is_one_program(kind: Kind) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    family = FAMILIES.get("irnet")
    models = [model_of(family, seed)[0] for seed in (1, 2)]
    x = model_of(family)[1]
    predictor = Mean([one.predictor() for one in models])
    found = program_of(predictor, kind, x, scale=1.0)
    given = run(found.content, kind, x)
    np.testing.assert_allclose(given, predictor(x), rtol=1e-5, atol=1e-5)
    assert not np.allclose(given, models[0].predict(x))


def changed(model: FittedModel) -> NetPredictor:
    """The predictor of a model with one weight that is a little off."""
    name = next(name for name in model.arrays if name.endswith("weight"))
    weight = model.arrays[name].copy()
    weight.flat[0] += 0.5
    arrays = {**model.arrays, name: weight}
    found = FittedModel(model.family, model.config, model.width, arrays).predictor()
    assert isinstance(found, NetPredictor)
    return found


def test_a_program_of_another_weight_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = model_of(FAMILIES.get("plain_mlp"))
    content = written(changed(model).whole(), "torch", width=model.width)
    far = difference(model.predictor(), content, "torch", x)
    assert far > 1e-5
    monkeypatch.setattr(program, "written", lambda *_, **__: content)
    with pytest.raises(InputError) as caught:
        program_of(model.predictor(), "torch", x, scale=1.0)
    assert caught.value.message == (
        f"The program (torch) differs from the model by {far:.3g}, and by more than 1e-06 of the "
        "target's standard deviation, 1."
    )
    assert caught.value.hint == "Give the other --program, or leave it out."


def test_a_program_that_gives_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = model_of(FAMILIES.get("plain_mlp"))
    monkeypatch.setattr(program, "_run_torch", lambda _: lambda x: np.full(len(x), np.nan))
    with pytest.raises(InputError, match="differs from the model by nan"):
        program_of(model.predictor(), "torch", x, scale=1.0)


def test_a_program_too_large_for_onnx_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript")
    model, x = model_of(FAMILIES.get("plain_mlp"))
    monkeypatch.setattr(program, "LARGEST", 1000)
    with pytest.raises(InputError, match=r"takes \d+ bytes as ONNX, which has 1000 at most\."):
        program_of(model.predictor(), "onnx", x, scale=1.0)


def test_without_its_packages_onnx_is_refused_with_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr(optional.importlib, "import_module", absent)
    with pytest.raises(InputError, match="needs the package 'onnx'") as caught:
        program.require_packages("onnx")
    assert caught.value.hint == "Type: pip install 'fesearch[onnx]'"
    program.require_packages("torch")
