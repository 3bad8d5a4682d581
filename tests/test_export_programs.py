"""Programs beside an exported model: networks that run without fesearch."""

import json
from pathlib import Path

import pytest
import searched

from fesearch.bundle import open_bundle
from fesearch.bundlefiles import README, SUMS
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export


@pytest.mark.parametrize(("kind", "name"), [("torch", "program.pt2"), ("onnx", "program.onnx")])
def test_a_network_goes_along_as_a_program(
    studies: str, tmp_path: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxscript")
    to = tmp_path / "model"
    words = ["export", "nets", "--to", str(to), "--program", kind, "--format", "json"]
    assert run(words) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    bundle = open_bundle(to)
    (member,) = bundle.card.members
    assert member.program is not None
    assert (member.program.kind, member.program.rows) == (kind, bundle.card.split.val)
    said = json.loads(out)
    assert (said["program"], said["program_difference"]) == (kind, member.program.difference)
    assert err == f"\nNext: fesearch predict {to} Fe2O3\n"
    assert (to / "model" / name).stat().st_size > 1000
    assert f"{name}\n" in (to / SUMS).read_text()
    readme = (to / README).read_text()
    assert f"- `model/{name}`, d = 145: within {member.program.difference:.2g} eV/atom" in readme
    assert ("may hold pickles" in readme) == (kind == "torch")


def test_each_network_of_an_ensemble_has_a_program(studies: str, tmp_path: Path) -> None:
    nets = [{**searched.SMALL_NET, "learning_rate": rate} for rate in (0.02, 0.005)]
    searched.search(studies, "more", "irnet", nets, max_epochs=4, preset="full", keep=2)
    card = export("nets", studies, tmp_path / "model", ensemble=8, others=["more"], program="torch")
    assert len(card.members) > 1
    assert open_bundle(tmp_path / "model").card == card
    for place in range(2, len(card.members) + 1):
        assert (tmp_path / "model" / f"model-{place}" / "program.pt2").is_file()
    readme = (tmp_path / "model" / README).read_text()
    assert "- `model-2/program.pt2`, d = 145: within" in readme
    assert "The ensemble is their mean by the weights below." in readme


@pytest.mark.parametrize("ensemble", [None, 4])
def test_a_forest_is_no_program(studies: str, tmp_path: Path, ensemble: int | None) -> None:
    with pytest.raises(InputError) as caught:
        export("forests", studies, tmp_path / "model", ensemble=ensemble, program="onnx")
    assert "is of the family 'random_forest', which is no network and" in caught.value.message
    assert caught.value.hint.startswith("Leave --program out, or export one of attention, cnn,")
    assert not (tmp_path / "model").exists()


def test_a_program_that_predicts_something_else_is_not_exported(
    studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fesearch.nets.program.difference", lambda *_: 0.1)
    with pytest.raises(InputError, match=r"The program \(torch\) differs from the model by 0\.1"):
        export("nets", studies, tmp_path / "model", program="torch")
    assert not (tmp_path / "model").exists()
