"""Whole studies with code of the user's own: recorded by hash, and never run as another's."""

import json
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import searched
from driven import results, story, study_row
from own_files import EXAMPLE, LENGTHS, WORST, forget, full, write

from fesearch import own
from fesearch.bundle import open_bundle
from fesearch.cli.app import run as command
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.own import Source, run_files
from fesearch.record import Report, TrialResult, TrialSpec, TrialState
from fesearch.search import start
from fesearch.search.core import Core
from fesearch.search.folder import study_folder
from fesearch.study import Study
from fesearch.studyfile import load

FLAGS = {"data": searched.DATA, "trials": 4, "max_epochs": 4, "seed": 3}


@pytest.fixture(autouse=True)
def url(empty_house: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store that does not exist yet, in a process that has run no file yet."""
    monkeypatch.setenv("FESEARCH_STORAGE", sqlite_url)
    forget(monkeypatch)
    return sqlite_url


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """A copy of the worked example, to be changed."""
    return Path(shutil.copy(EXAMPLE, tmp_path / "my_net.py"))


def study_of(path: Path, *sets: str, **flags: Any) -> Study:
    """Four trials of the family that a file declares, one after the other in this process."""
    return load(str(path), {**FLAGS, **flags}, ("runner=inline", *sets))


class Interrupt:
    """A watcher that sends SIGINT at the third report."""

    count = 0

    def opened(self, core: Core, results: Sequence[TrialResult]) -> None:
        """Nothing to do."""

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        """Nothing to do."""

    def reported(self, number: int, report: Report) -> None:
        self.count += 1
        if self.count == 3:
            os.kill(os.getpid(), signal.SIGINT)

    def noted(self, line: str) -> None:
        """Nothing to count."""

    def ended(self, result: TrialResult) -> None:
        """Nothing to do."""


def test_the_hash_is_in_study_trials_and_models(url: str, net: Path) -> None:
    outcome = start.start(study_of(net), url)
    assert {result.state for result in outcome.results} <= {
        TrialState.COMPLETE,
        TrialState.PRUNED,
    }
    name = full("my_net", net)
    assert {result.family for result in outcome.results} == {name}
    row = study_row(url, "my_net")
    assert row.definition["study"]["family"] == name
    source = Source.read(net)
    assert row.definition["own"] == [{"path": str(net), "sha256": source.sha256}]
    [model] = {
        json.loads(path.read_text())["family"]
        for path in study_folder(row).glob("*/model/model.json")
    }
    assert model == name
    [copy] = study_folder(row).glob("own/*/my_net.py")
    assert copy.read_bytes() == net.read_bytes()


@pytest.mark.slow
def test_ray_finds_what_one_process_finds(url: str, net: Path) -> None:
    flags = {"metric": "worst", "features": "lengths+magpie"}
    mine = write(net.parent, "mine.py", WORST, LENGTHS)
    start.start(study_of(net, name="alone", own=[str(mine)], **flags), url)
    ray = study_of(net, "runner=ray", name="ray", own=[str(mine)], cpus=1, **flags)
    start.start(ray, url)
    assert {one.state for one in results(url, "ray")} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert story(url, "ray") == story(url, "alone")


def test_an_interrupted_study_is_not_resumed_with_changed_code(
    url: str, net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.start(study_of(net, name="whole"), url)
    start.start(study_of(net), url, watchers=[Interrupt()])
    before, text = story(url, "my_net"), net.read_text()
    assert len(before[1]) == 3
    was = Source.read(net).digits
    net.write_text(text.replace("BATCH = 32", "BATCH = 16"))
    now = Source.read(net).digits
    forget(monkeypatch)
    with pytest.raises(InputError) as caught:
        start.resume("my_net", url)
    assert caught.value.message == (
        f"The file '{net}' is {now} now and was {was} when 'my_net' was started."
    )
    [copy] = study_folder(study_row(url, "my_net")).glob("own/*/my_net.py")
    assert caught.value.hint == (f"Restore it (cp '{copy}' '{net}'), or start a new study.")
    assert not own._RUN  # refused before any of it was run
    assert story(url, "my_net") == before
    net.unlink()
    with pytest.raises(InputError, match=f"is gone and was {was} when 'my_net' was started"):
        start.resume("my_net", url)
    shutil.copy(copy, net)
    start.resume("my_net", url)
    assert story(url, "my_net") == story(url, "whole")


def test_start_or_resume_takes_changed_code_for_another_study(url: str, net: Path) -> None:
    start.start(study_of(net), url)
    was = full("my_net", net)
    start.start(study_of(net), url, or_resume=True)
    net.write_text(net.read_text() + "# changed\n")
    with pytest.raises(InputError) as caught:
        start.start(study_of(net), url, or_resume=True)
    assert caught.value.message == (
        f"The study 'my_net' was started with family = {was}, not {full('my_net', net)}."
    )


def test_finished_trials_are_scored_and_exported_by_the_code_they_were_trained_with(
    url: str, net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.start(study_of(net), url)
    net.write_text("raise SystemExit('another program')")
    forget(monkeypatch)
    [scored] = holdout("my_net", url).scored
    assert scored.trial.value is not None
    forget(monkeypatch)
    export("my_net", url, tmp_path / "model")
    [copy] = study_folder(study_row(url, "my_net")).glob("own/*/my_net.py")
    copy.write_text("raise SystemExit('a forged copy')")
    forget(monkeypatch)
    with pytest.raises(InputError) as caught:
        export("my_net", url, tmp_path / "again")
    assert "neither that file nor its copy" in caught.value.message
    assert "The study 'my_net' needs the file" in caught.value.message
    assert not own._RUN


def test_curves_of_an_own_family_are_replayed_with_its_file(
    url: str, net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start.start(study_of(net), url)
    forget(monkeypatch)
    words = ["simulate", "--from", "my_net", "--sampler", "random", "--seeds", "1"]
    assert command(words) == 2
    assert "--family-file FILE.py" in capsys.readouterr().err
    assert command([*words, "--family-file", str(net)]) == 0
    assert "my_net: " in capsys.readouterr().out


def test_an_exported_model_wants_its_code_and_says_so(
    url: str,
    net: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start.start(study_of(net), url)
    assert command(["export", "my_net", "--to", str(tmp_path / "model")]) == 0
    predict = ["predict", str(tmp_path / "model"), "NiTi"]
    assert f"Next: fesearch predict {tmp_path}/model Fe2O3 --family-file {net}" in (
        capsys.readouterr().err
    )
    name = full("my_net", net)
    readme = (tmp_path / "model" / "README.md").read_text()
    assert f"It takes code that is not in this folder: `{name}`." in readme
    assert "fesearch predict . Fe2O3 NaCl --family-file FILE.py" in readme
    assert not list((tmp_path / "model").rglob("*.py"))

    forget(monkeypatch)
    assert command(predict) == 2
    digits = name.partition("@")[2]
    assert capsys.readouterr().err == (
        f"The family '{name}' is of a file that is not given.\n"
        f"Give the Python file whose sha256 begins with {digits}: --family-file FILE.py\n"
    )
    other = write(tmp_path, "other.py", net.read_text(), "# changed\n")
    assert command([*predict, "--family-file", str(other)]) == 2
    assert "its code is another." in capsys.readouterr().err
    assert command([*predict, "--family-file", str(net)]) == 0
    assert "NiTi" in capsys.readouterr().out
    assert open_bundle(tmp_path / "model").card.own == (name,)


def test_what_only_reads_the_store_runs_no_code(
    url: str, net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = write(net.parent, "mine.py", WORST, LENGTHS)
    run_files([mine])
    start.start(study_of(net, own=[str(mine)], metric="worst", features="lengths+magpie"), url)
    assert command(["holdout", "my_net", "--format", "json"]) == 0
    [look] = json.loads(capsys.readouterr().out)
    worst = full("worst", mine)
    assert look[f"val_{worst}"] > 0
    assert look[f"test_{worst}"] > look["test_mae"]  # the largest of errors above their mean
    forget(monkeypatch)
    lines = [
        ["study", "list"],
        ["study", "show", "my_net"],
        ["study", "status", "my_net"],
        ["trials", "my_net"],
        ["trials", "show", "my_net", "0"],
        ["best", "my_net"],
        ["rank"],
    ]
    for words in lines:
        assert command(words) == 0, words
        assert full("my_net", net) in capsys.readouterr().out
        assert not own._RUN
    assert command(["study", "show", "my_net", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["own"] == [
        {"path": str(path), "sha256": Source.read(path).sha256} for path in (mine, net)
    ]


def test_a_search_over_families_has_one_of_the_users_own(
    url: str, net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = net.parent / "many.toml"
    file.write_text(
        f'own = ["my_net.py"]\nfamilies = ["ridge", "my_net"]\ndata = "{searched.DATA}"\n'
        'trials = 4\nmax_epochs = 2\nrunner = "inline"\nseed = 3\n'
    )
    assert command(["study", "start", str(file)]) == 0
    name = full("my_net", net)
    assert {one.family for one in results(url, "many-my_net")} == {name}
    before = story(url, "many-my_net")
    for words in (["extend", "many", "--trials", "+4"], ["resume", "many"]):
        forget(monkeypatch)
        assert command(["study", *words]) == 0
    after = story(url, "many-my_net")
    assert len(after[0]) > len(before[0])

    forget(monkeypatch)
    net.write_text(net.read_text() + "# changed\n")
    capsys.readouterr()
    assert command(["study", "resume", "many"]) == 2
    assert f"was {name[-12:]} when 'many-my_net' was started." in capsys.readouterr().err
    assert not own._RUN  # refused before any of it was run


def test_a_ranking_by_a_metric_of_the_users_own_is_found_by_its_name(
    url: str, net: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = write(net.parent, "mine.py", WORST)
    start.start(load("ridge", {**FLAGS, "max_epochs": None, "trials": 1, "metric": "worst",
                               "own": [str(mine)]}, ("runner=inline",)), url)  # fmt: skip
    assert command(["rank", "--metric", "worst"]) == 0
    out = capsys.readouterr().out
    assert f"validation {full('worst', mine)} (" in out
