"""Families, metrics and feature sets of an installed package: called by the hash of its code."""

import sys
from pathlib import Path

import pytest
import searched
from driven import results, study_row
from own_files import LENGTHS, RIDGES, WORST, forget, write

from fesearch import registry
from fesearch.bundle import open_bundle
from fesearch.cli.app import run as command
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.family import FAMILIES
from fesearch.features import Combination
from fesearch.metrics import metric_named
from fesearch.own import features_in_full, run_files
from fesearch.search import start
from fesearch.study import Study
from fesearch.studyfile import load

POINTS = """
[fesearch.families]
ridges = own_plug_in:FAMILY
[fesearch.metrics]
worst = own_plug_in:METRIC
[fesearch.featuresets]
lengths = own_plug_in:FEATURE_SET
"""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages in which one is installed that declares all three."""
    folder = tmp_path / "site"
    facts = folder / "own_plug_in-1.2.dist-info"
    facts.mkdir(parents=True)
    write(facts, "METADATA", "Metadata-Version: 2.1\nName: own-plug-in\nVersion: 1.2\n")
    write(facts, "entry_points.txt", POINTS)
    write(folder, "own_plug_in.py", RIDGES, WORST, LENGTHS)
    monkeypatch.syspath_prepend(folder)
    new_process(monkeypatch)
    return folder


@pytest.fixture
def url(empty_house: str, sqlite_url: str) -> str:
    """The URL of a store that does not exist yet."""
    return sqlite_url


def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be as a new process is: no package has been imported."""
    forget(monkeypatch)
    registry._code_of.cache_clear()
    for module in ("own_plug_in", "own_plug_in_moved"):
        monkeypatch.delitem(sys.modules, module, raising=False)


def study() -> Study:
    """Two trials of the package's family, by its metric, on its features among others."""
    flags = {"data": searched.DATA, "trials": 2, "metric": "worst", "features": "magpie+lengths"}
    return load("ridges", flags, ("runner=inline",))


def code(name: str) -> str:
    """What stands behind the "@" of a full name."""
    return name.partition("@")[2]


def test_a_name_has_the_package_and_the_hash_of_its_code() -> None:
    family, found = FAMILIES.get("ridges"), FAMILIES.plug_in("ridges")
    assert found is not None
    assert family.name == f"ridges@own-plug-in.{found.sha256[:12]}"
    assert FAMILIES.get(family.name) == family
    assert FAMILIES.plug_in(family.name) == found
    assert family.name in FAMILIES.names()
    assert "ridges" not in FAMILIES.names()
    assert metric_named("worst").name == f"worst@{code(family.name)}"
    features = features_in_full("magpie+lengths:power=2")
    assert features == f"magpie+lengths@{code(family.name)}:power=2"
    assert Combination.parse(features).name == features


def test_a_mistyped_name_gets_the_one_to_type() -> None:
    with pytest.raises(InputError) as caught:
        load("ridegs")
    assert caught.value.hint.startswith("Did you mean 'ridges'? There are: ")
    with pytest.raises(InputError) as caught:
        metric_named("wurst")
    assert caught.value.hint.startswith("Did you mean 'worst'? ")


def test_the_hash_is_in_study_and_trials_and_a_resumed_one_goes_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = FAMILIES.get("ridges").name
    outcome = start.start(study(), url)
    assert outcome.usable
    assert {one.family for one in results(url, "ridges")} == {name}
    row = study_row(url, "ridges")
    assert row.key.metric == f"worst@{code(name)}"
    assert row.definition["study"]["features"] == f"magpie+lengths@{code(name)}"
    assert row.versions["own-plug-in"] == "1.2"
    assert row.definition["own"] == []
    new_process(monkeypatch)
    assert start.resume("ridges", url).usable


@pytest.mark.parametrize("moved", [False, True])
def test_a_study_does_not_go_on_with_other_code(
    moved: bool, url: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = FAMILIES.get("ridges").name
    start.start(study(), url)
    new_process(monkeypatch)
    if moved:
        (site / "own_plug_in.py").rename(site / "own_plug_in_moved.py")
        write(
            site / "own_plug_in-1.2.dist-info",
            "entry_points.txt",
            POINTS.replace("own_plug_in:", "own_plug_in_moved:"),
        )
    else:
        write(site, "own_plug_in.py", RIDGES, WORST, LENGTHS, "# changed\n")
    now = FAMILIES.full_name("ridges")
    with pytest.raises(InputError) as caught:
        start.resume("ridges", url)
    assert now != was
    assert caught.value.message == (
        f"The family '{was}' is wanted, but the package installed declares '{now}': its code is "
        "another."
    )
    digits = was.rpartition(".")[2]
    assert caught.value.hint == (
        f"Install 'own-plug-in' as it was: the sha256 of its code begins with {digits}."
    )


def test_features_of_other_code_are_computed_anew(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Combination.parse("lengths").digest
    new_process(monkeypatch)
    assert Combination.parse("lengths").digest == before
    new_process(monkeypatch)
    write(site, "own_plug_in.py", RIDGES, WORST, LENGTHS, "# changed\n")
    assert Combination.parse("lengths").digest != before


def test_an_exported_model_names_the_package_it_needs(
    url: str,
    site: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = FAMILIES.get("ridges").name
    start.start(study(), url)
    card = export("ridges", url, tmp_path / "model")
    assert card.own == (name, f"lengths@{code(name)}")
    readme = (tmp_path / "model" / "README.md").read_text()
    assert f"packages that must be installed: `{name}`, `lengths@{code(name)}`." in readme
    assert "- own-plug-in: 1.2" in readme
    assert "--family-file" not in readme
    assert len(open_bundle(tmp_path / "model").predictors) == 1
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(site)])
    new_process(monkeypatch)
    assert command(["predict", str(tmp_path / "model"), "NiTi"]) == 2
    assert capsys.readouterr().err == (
        f"The feature set 'lengths@{code(name)}' is of the package 'own-plug-in', which is not "
        "installed.\n"
        "Install 'own-plug-in' as it was: the sha256 of its code begins with "
        f"{name.rpartition('.')[2]}.\n"
    )


def test_a_package_whose_module_is_gone_is_left_out_of_a_listing(
    site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (site / "own_plug_in.py").unlink()
    assert "irnet" in [family.name for family in FAMILIES]
    assert "The family 'ridges' of the package 'own-plug-in' fails" in caplog.text


def test_a_declaration_has_the_name_of_its_entry_point(site: Path, tmp_path: Path) -> None:
    other = "[fesearch.families]\nraven = own_plug_in:FAMILY\n"
    write(site / "own_plug_in-1.2.dist-info", "entry_points.txt", POINTS, other)
    with pytest.raises(InputError) as caught:
        load("raven")
    assert caught.value.message == "The family 'raven' calls itself 'ridges'."
    with pytest.raises(InputError, match="There is a family 'ridges' already"):
        run_files([write(tmp_path, "mine.py", RIDGES)])
