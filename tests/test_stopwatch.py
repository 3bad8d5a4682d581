"""How long an epoch takes: measured in another process, in bounded time."""

import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import searched
from own_files import EXAMPLE, forget
from small import small, wait_for

from fesearch.search import stopwatch
from fesearch.search.pace import UnmeasuredError
from fesearch.search.prepare import Prepared, prepare
from fesearch.search.stopwatch import Stopwatch, thinned


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESEARCH_ARTIFACTS", str(folder / "artifacts"))
        patch.setenv("FESEARCH_CACHE_DIR", str(folder / "cache"))
        searched.save_data()
        return prepare(small())


def test_larger_networks_take_longer_and_rows_are_scaled(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    config = prepared.family.first(prepared.space)
    large = {**config, "depth": 24, "width": 1.0}
    with Stopwatch(prepared, "cpu") as watch:
        small_seconds, seconds = watch.seconds(config), watch.seconds(large)
        child = watch._child
        assert child is not None
        with pytest.raises(UnmeasuredError, match="'depth' is -1"):
            watch.seconds({**config, "depth": -1})
        assert watch.seconds(config) > 0  # it goes on
        assert watch._child is child
    assert child.poll() is not None
    assert 0 < 5 * small_seconds < seconds < 20
    monkeypatch.setattr(stopwatch, "ROWS", 6)  # of 48, in batches of 8
    with Stopwatch(prepared, "cpu") as watch:
        assert 0.3 * seconds < watch.seconds(large) < 3 * seconds
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_what_takes_too_long_is_ended_and_counts_as_so_long(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = prepared.family.first(prepared.space)
    endless = {**config, "depth": 48, "width": 1.0}
    with Stopwatch(prepared, "cpu", 600.0) as watch:
        monkeypatch.setattr(watch, "_patience", 0.05)
        assert watch.seconds(endless) == pytest.approx(0.05)
        assert watch._child is None
        monkeypatch.setattr(watch, "_patience", 30.0)
        assert 0 < watch.seconds(config) < 30  # another process is begun
    with (
        Stopwatch(prepared, "cpu", 0.03) as watch,
        pytest.raises(UnmeasuredError, match=r"has not built it in 0\.01 s"),
    ):
        watch.seconds(config)


def test_a_process_that_dies_is_said(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "_PROGRAM", "import os; os._exit(3)")
    with Stopwatch(prepared, "cpu") as watch, pytest.raises(UnmeasuredError, match="process died"):
        watch.seconds(prepared.family.first(prepared.space))


def test_after_a_while_no_other_is_measured(prepared: Prepared) -> None:
    with Stopwatch(prepared, "cpu", -1.0) as watch, pytest.raises(UnmeasuredError, match="others"):
        watch.seconds(prepared.family.first(prepared.space))


def test_what_is_no_answer_is_said(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "_PROGRAM", "print('Welcome')")
    with Stopwatch(prepared, "cpu") as watch, pytest.raises(UnmeasuredError, match="'Welcome'"):
        watch.seconds(prepared.family.first(prepared.space))


def test_the_process_ends_where_nobody_is_left_to_ask(prepared: Prepared) -> None:
    """As when the one that asks is killed."""
    config = prepared.family.first(prepared.space)
    slow = {**config, "depth": 48, "width": 4.0, "batch_size": 2}  # an epoch takes long
    with Stopwatch(prepared, "cpu") as watch:
        watch.seconds(config)
        child = watch._child
        assert child is not None
        assert child.stdin is not None
        watch._say(asdict(watch._spec(slow)))
        assert watch._answer(60.0) == 0.0  # it is built
        child.stdin.close()
        assert child.wait(60) == 0


def test_families_of_peoples_own_are_measured_and_may_print(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forget(monkeypatch)
    building = "    return MyLearner(config, data, seed, threads, device)"
    noise = "    import os; print('here I am'); os.write(1, b'5\\n'); os.system('sleep 600 &')\n"
    said = EXAMPLE.read_text().replace(building, f"{noise}{building}")
    (tmp_path / "my_net.py").write_text(said)
    own = [str(tmp_path / "my_net.py")]
    study = replace(prepared, study=small(family="my_net", own=own, space={}).in_full())
    mine = replace(study, family=study.study.declared_family())
    with Stopwatch(mine, "cpu") as watch:
        assert watch.seconds(mine.family.best) > 0
        child = watch._child
    assert child is not None
    with pytest.raises(ProcessLookupError):  # nor is what it has begun there
        wait_for(lambda: os.killpg(child.pid, 0))


def test_rows_are_drawn_from_all_and_validation_rows_in_proportion(prepared: Prepared) -> None:
    data = prepared.development
    rows = len(data.train_y)
    whole = thinned(data, rows)
    assert (whole.train_x == data.train_x).all()
    assert (whole.val_y == data.val_y).all()
    folded = thinned(replace(data, folds=np.arange(rows) % 3), rows // 2)
    assert len(folded.train_y) == len(folded.train_x) == rows // 2
    assert len(folded.val_y) == round(len(data.val_y) / 2)
    assert folded.folds is not None
    assert set(folded.folds) == {0, 1, 2}
    assert len(thinned(data, 2).val_y) == 1


@pytest.mark.slow
def test_a_script_that_searches_is_not_run_once_more(tmp_path: Path) -> None:
    """Neither is what lies in the folder it was called from imported."""
    (tmp_path / "json.py").write_text("raise SystemExit('taken from here')")
    script = tmp_path / "elsewhere" / "mine.py"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.stdout, done.returncode) == ("begun\nmeasured\n", 0), done.stderr


SCRIPT = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
print("begun", flush=True)
import os
os.environ["FESEARCH_CACHE_DIR"] = os.environ["FESEARCH_ARTIFACTS"] = os.getcwd()
import searched
searched.save_data()
from small import small, wait_for
from fesearch.search.prepare import prepare
from fesearch.search.stopwatch import Stopwatch
prepared = prepare(small())
with Stopwatch(prepared, "cpu") as watch:
    assert watch.seconds(prepared.family.first(prepared.space)) > 0
print("measured")
"""
