"""Reading a bundle: every change is found, and nothing in it is trusted or run."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundled import edit, refused, vouched
from safetensors.numpy import load, save

from fesearch.bundle import open_bundle
from fesearch.bundlefiles import CARD, FILES, INTERVALS, README, SEALED, STUDY, SUMS
from fesearch.card import PROGRAMS
from fesearch.export import export
from fesearch.model import DESCRIPTION, WEIGHTS

ROOT = Path(__file__).parents[1]
MODEL = f"model/{WEIGHTS}"

PROGRAM = f"model/{PROGRAMS['torch']}"


@pytest.fixture
def folder(studies: str, tmp_path: Path) -> Path:
    export("nets", studies, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", [*FILES, INTERVALS, SEALED, SUMS])
def test_a_changed_byte_anywhere_is_found(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for place in (0, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        (folder / name).write_bytes(changed)
        error = refused(folder)
        assert "not what was exported: its checksum differs." in error.message
        if name != SUMS:
            assert f"'{folder / name}'" in error.message
    (folder / name).write_bytes(content)
    open_bundle(folder)


@pytest.mark.parametrize("name", [*FILES, SUMS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert refused(folder).message == (
        f"The folder '{folder}' lacks the file '{name}' of an exported model."
    )


@pytest.mark.parametrize("name", ["model.pkl", "model/weights.bin", ".hidden", "extra/file"])
def test_an_unknown_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    error = refused(folder)
    assert "which is no part of an exported model." in error.message
    assert name.split("/")[0] in error.message


@pytest.mark.parametrize("name", [MODEL, "model", README])
def test_a_link_is_refused(folder: Path, name: str, tmp_path: Path) -> None:
    shutil.move(folder / name, tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    assert refused(folder).message == f"'{folder / name}' is a link or no plain file."


def test_a_pipe_is_refused_without_reading_it(folder: Path) -> None:
    (folder / README).unlink()
    os.mkfifo(folder / README)
    assert refused(folder).message == f"'{folder / README}' is a link or no plain file."


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "model/../../outside"])
def test_sums_of_files_elsewhere_are_refused(folder: Path, path: str) -> None:
    with (folder / SUMS).open("a") as file:
        file.write(f"{hashlib.sha256().hexdigest()}  {path}\n")
    assert refused(folder).message.startswith(f"The lines of '{folder / SUMS}' are not")


@pytest.fixture
def with_program(studies: str, tmp_path: Path) -> Path:
    export("nets", studies, tmp_path / "model", program="torch")
    return tmp_path / "model"


def test_a_program_is_vouched_for_and_never_opened(
    with_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = with_program / PROGRAM
    expected = open_bundle(with_program).predict(["AlTi3"])
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert refused(with_program).message == (
        f"'{path}' is not what was exported: its checksum differs."
    )
    path.write_bytes(pickle.dumps(Bomb()))
    np.testing.assert_array_equal(open_bundle(vouched(with_program)).predict(["AlTi3"]), expected)
    assert not (tmp_path / "exploded").exists()


def test_a_program_is_there_if_the_card_speaks_of_it(with_program: Path) -> None:
    path = with_program / PROGRAM
    path.rename(path.with_suffix(".onnx"))
    message = refused(vouched(with_program)).message
    assert message == f"The file {path.with_suffix('.onnx')} is not one that {CARD} speaks of."
    path.with_suffix(".onnx").unlink()
    message = refused(vouched(with_program)).message
    assert message == f"There is no file {path}, which {CARD} speaks of."


class Bomb:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


def test_a_pickle_in_place_of_weights_is_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps(Bomb())
    (folder / MODEL).write_bytes(content)
    edit(folder / "model" / DESCRIPTION, lambda said: said | sha_of(content))
    assert "is not a safetensors file" in refused(vouched(folder)).message
    assert not (tmp_path / "exploded").exists()


def sha_of(content: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(content).hexdigest()}


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", Path(__file__)):
        assert refused(path).message == f"There is no folder '{path}'."
    assert "lacks the file" in refused(tmp_path).message


def test_a_moved_bundle_predicts_the_same_in_a_fresh_process(folder: Path, tmp_path: Path) -> None:
    formulas = ["AlTi3", "Fe2O3", "Nb3 Zr"]
    expected = open_bundle(folder).predict(formulas)
    moved = tmp_path / "moved"
    folder.rename(moved)
    away = {k: v for k, v in os.environ.items() if not k.startswith("FESEARCH_")}
    words = ["predict", str(moved), *formulas, "--format", "json"]
    program = "import sys; from fesearch.cli.app import run; sys.exit(run(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True, text=True, env=away, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    np.testing.assert_array_equal([row["prediction"] for row in rows], expected)
    assert not (tmp_path / "fesearch.db").exists()


def test_reading_needs_neither_store_nor_search() -> None:
    program = (
        "import sys, fesearch.bundle, fesearch.predict; "
        "print([m for m in ('sqlalchemy', 'optuna', 'ray', 'fesearch.store', 'fesearch.search') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_elements_without_a_training_row_are_told(folder: Path) -> None:
    bundle = open_bundle(folder)
    assert bundle.unseen(["AlTi"]) == set()
    assert bundle.unseen(["Fe2O3", "NaFe"]) == {"O", "Na"}
    assert (folder / STUDY).is_file()


# Ensembles


@pytest.fixture
def ensemble(studies: str, tmp_path: Path) -> Path:
    export("nets", studies, tmp_path / "many", ensemble=4, others=["forests"])
    return tmp_path / "many"


def test_every_byte_of_every_member_is_vouched_for(ensemble: Path) -> None:
    names = ["intervals.safetensors", "model-2/model.safetensors", "study-2.toml"]
    for name in names:
        content = (ensemble / name).read_bytes()
        (ensemble / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert f"'{ensemble / name}' is not what was exported" in refused(ensemble).message
        (ensemble / name).write_bytes(content)
    open_bundle(ensemble)


def test_a_member_that_the_card_does_not_list_is_refused(ensemble: Path, folder: Path) -> None:
    shutil.copytree(folder / "model", folder / "model-2")
    assert refused(vouched(folder)).message == (
        f"The folder '{folder}' has 2 models, fesearch.json lists 1."
    )
    shutil.rmtree(ensemble / "model-2")
    assert f"lists {len(json.loads((ensemble / CARD).read_text())['members'])}" in (
        refused(vouched(ensemble)).message
    )


@pytest.mark.parametrize("name", ["model-3", "model-99", "model-02", "model-"])
def test_a_model_out_of_turn_is_no_part(folder: Path, name: str) -> None:
    shutil.copytree(folder / "model", folder / name)
    assert f"has '{name}', which is no part" in refused(vouched(folder)).message


def test_the_folder_of_a_member_is_no_link(ensemble: Path, tmp_path: Path) -> None:
    shutil.move(ensemble / "model-2", tmp_path / "elsewhere")
    (ensemble / "model-2").symlink_to(tmp_path / "elsewhere")
    assert refused(ensemble).message == f"'{ensemble / 'model-2'}' is a link or no plain file."


@pytest.mark.parametrize("picks", [0, -1, 1.5])
def test_a_weight_is_a_number_of_picks(ensemble: Path, picks: float) -> None:
    def forged(said: dict[str, Any]) -> dict[str, Any]:
        first, *others = said["members"]
        return said | {"members": [first | {"picks": picks}, *others]}

    edit(ensemble / CARD, forged)
    assert f"In {ensemble / CARD} 'members.0.picks' is wrong" in refused(vouched(ensemble)).message


def test_a_pickle_in_place_of_intervals_is_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / INTERVALS).write_bytes(pickle.dumps(Bomb()))
    assert "is not a safetensors file" in refused(vouched(folder)).message
    assert not (tmp_path / "exploded").exists()


def test_intervals_that_the_card_speaks_of_must_be_there(folder: Path) -> None:
    (folder / INTERVALS).unlink()
    assert f"{INTERVALS} cannot be read: No such file" in refused(vouched(folder)).message


def test_rows_are_divided_among_devices(folder: Path) -> None:
    formulas = [f"AlTi{n}" for n in range(2, 9)]
    one, three = (open_bundle(folder, ["cpu"] * count) for count in (1, 3))
    assert len(three.predictors[0]) == 3
    np.testing.assert_allclose(three.predict(formulas), one.predict(formulas), rtol=1e-6)


@pytest.mark.slow
def test_the_built_wheel_in_a_fresh_environment_elsewhere_predicts_the_same_bits(
    ensemble: Path, tmp_path: Path
) -> None:
    """A new virtual environment, in a folder without database, data or cache: none is left.

    What fesearch needs is lent from here: to install it all takes minutes and a network.
    """
    formulas = ["AlTi3", "Fe2O3", "Nb3 Zr"]
    expected = open_bundle(ensemble).answer(formulas)
    venv, away = tmp_path / "fresh", tmp_path / "away"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    _install_wheel(venv, tmp_path)
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    (away / "home").mkdir(parents=True)
    shutil.move(ensemble, away / "model")
    shutil.rmtree(tmp_path / "searched")
    environment = {"PATH": os.environ["PATH"], "HOME": str(away / "home")}
    here = {"capture_output": True, "text": True, "env": environment, "cwd": away}

    program = "import fesearch, fesearch.cli.app; print(fesearch.__file__)"
    said = subprocess.run([venv / "bin" / "python", "-c", program], check=True, **here)
    assert Path(said.stdout.strip()) == packages / "fesearch" / "__init__.py"
    words = ["predict", "model", *formulas, "--interval", "0.5", "--format", "json"]
    done = subprocess.run([venv / "bin" / "fesearch", *words], **here)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    np.testing.assert_array_equal([row["prediction"] for row in rows], expected.value)
    assert expected.spread is not None
    np.testing.assert_array_equal([row["spread"] for row in rows], expected.spread)
    assert [path.name for path in away.iterdir() if path.name != "home"] == ["model"]


def _install_wheel(venv: Path, folder: Path) -> None:
    """Build this project as it is delivered, and install nothing but that."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    into, only = ["--python", str(venv / "bin" / "python")], ["--no-deps", "--no-index"]
    build = ["wheel", "--no-build-isolation", *only, "--wheel-dir", str(folder)]
    subprocess.run([*pip, *build, str(ROOT)], check=True)
    [wheel] = folder.glob("fesearch-*.whl")
    subprocess.run([*pip, *into, "install", *only, str(wheel)], check=True)


@pytest.mark.parametrize(
    ("array", "value"), [("y_scale", 0.0), ("y_scale", -1.0), ("x_factor", -1.0)]
)
def test_a_scaling_that_no_data_have_is_refused(folder: Path, array: str, value: float) -> None:
    """It would give numbers, and wrong ones."""
    arrays = load((folder / MODEL).read_bytes())
    [name] = [one for one in arrays if one.endswith(array)]
    arrays[name] = np.full_like(arrays[name], value)
    content = save(arrays)
    (folder / MODEL).write_bytes(content)
    edit(folder / "model" / DESCRIPTION, lambda said: said | sha_of(content))
    assert refused(vouched(folder)).message == (
        "The scaling has a scale that no data have: it is zero or below."
    )


def test_one_model_has_no_spread_to_scale_intervals_by(folder: Path) -> None:
    def forged(said: dict[str, Any]) -> dict[str, Any]:
        return said | {"intervals": said["intervals"] | {"floor": 0.5}}

    edit(folder / CARD, forged)
    assert refused(vouched(folder)).message == (
        f"In {CARD} 'intervals.floor' is 0.5, but one model has no spread."
    )
