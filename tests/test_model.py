"""Models in files: written whole, read back the same, and refused when forged or damaged."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear import linear

from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.model import DESCRIPTION, WEIGHTS, FittedModel


@pytest.fixture(scope="module")
def trained() -> FittedModel:
    family, data = FAMILIES.get("irnet"), linear()
    config = {**family.best, "depth": 3, "width": 0.0625}
    learner = family.build(config, data, seed=1, threads=1, device="cpu")
    learner.advance()
    return FittedModel("irnet", config, data.width, learner.model())


@pytest.fixture
def folder(trained: FittedModel, tmp_path: Path) -> Path:
    trained.save(tmp_path / "new" / "model")
    return tmp_path / "new" / "model"


def describe(folder: Path, **changes: Any) -> None:
    """Forge the description of a saved model."""
    path = folder / DESCRIPTION
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_model_is_two_files_and_no_pickle(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [DESCRIPTION, WEIGHTS]
    assert json.loads((folder / DESCRIPTION).read_text())["family"] == "irnet"


def test_a_newer_model_replaces_an_older_one(folder: Path, trained: FittedModel) -> None:
    arrays = dict(trained.arrays)
    arrays["scaling.y_offset"] = arrays["scaling.y_offset"] + 1.0
    FittedModel("irnet", trained.config, trained.width, arrays).save(folder)
    x = linear().val_x
    newer = FittedModel.load(folder).predict(x)
    np.testing.assert_allclose(newer, trained.predict(x) + 1.0)


def test_features_of_another_width_are_refused(trained: FittedModel) -> None:
    for shape in ((3, 7), (3, 9), (8,)):
        with pytest.raises(InputError, match="but the model takes 8 a row"):
            trained.predict(np.zeros(shape, np.float32))


def test_arrays_that_are_not_contiguous_are_saved_as_they_look(
    trained: FittedModel, tmp_path: Path
) -> None:
    arrays = {name: np.asarray(array, order="F") for name, array in trained.arrays.items()}
    FittedModel("irnet", trained.config, trained.width, arrays).save(tmp_path)
    x = linear().val_x
    np.testing.assert_array_equal(FittedModel.load(tmp_path).predict(x), trained.predict(x))


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"model file .*{name} cannot be read"):
        FittedModel.load(folder)


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_file_cut_short_is_refused_wherever_it_is_cut(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for keep in (0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1):
        (folder / name).write_bytes(whole[:keep])
        with pytest.raises(InputError):
            FittedModel.load(folder)


def test_a_changed_byte_is_noticed(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(InputError, match=r"is not the one model\.json was written with"):
        FittedModel.load(folder)


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize("name", [DESCRIPTION, WEIGHTS])
def test_a_pickle_is_refused_and_not_executed(folder: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError):
        FittedModel.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "irnt"}, "There is no family 'irnt'"),
        ({"family": "random_forest"}, "There is no parameter 'layers'"),
        ({"family": "../irnet"}, "There is no family"),
        ({"family": 3}, "'family' is 3"),
        ({"width": 7}, "is float32"),
        ({"width": 0}, "'width' is 0"),
        ({"width": True}, "'width' is True"),
        ({"width": 2**62}, "'width' is"),
        ({"config": {}}, "'depth' is missing"),
        ({"config": []}, r"'config' is \[\]"),
        ({"format": 2}, "has format 2; this version reads 1"),
        ({"extra": 1}, "does not have the keys"),
    ],
)
def test_a_forged_description_is_refused(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    describe(folder, **changes)
    with pytest.raises(InputError, match=message):
        FittedModel.load(folder)


@pytest.mark.parametrize("depth", [4, 48.0, [3], {"a": 1}, None, "3"])
def test_a_forged_config_is_refused(folder: Path, trained: FittedModel, depth: Any) -> None:
    describe(folder, config={**trained.config, "depth": depth})
    with pytest.raises(InputError):
        FittedModel.load(folder)


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "\xff\xfe", "[" * 100_000])
def test_a_description_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / DESCRIPTION).write_text(text, encoding="latin-1")
    with pytest.raises(InputError):
        FittedModel.load(folder)
