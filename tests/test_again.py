"""``report --every``: the page while studies run, at their end, and when it is interrupted."""

from pathlib import Path
from typing import Any

import pytest

from fesearch.cli.app import run
from fesearch.errors import FesearchError, InputError, NoResultError, StudyNotFoundError
from fesearch.report import Report, again, rewrite
from fesearch.store.results import Store
from fesearch.store.types import StudyState


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without pictures, which other tests have."""
    monkeypatch.setattr("fesearch.report.contents.ANALYSES", ())


def test_the_page_is_written_until_the_studies_are_over(studies: str, tmp_path: Path) -> None:
    to = tmp_path / "report.html"
    waited: list[float] = []
    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))
        store.set_state(lease, StudyState.RUNNING)

        def wait(seconds: float) -> None:
            waited.append(seconds)
            page = to.read_text()
            assert '<meta http-equiv="refresh" content="600">' in page
            assert "again every 10 minutes while its studies run" in page
            if len(waited) == 2:
                store.release(lease)

        said: list[str] = []
        report = rewrite(["forests", "nets"], studies, to, 600.0, tell=said.append, wait=wait)
    assert report.best.trial.study == "forests"
    assert len(waited) == 2
    assert all(500 < one <= 600 for one in waited)
    assert [line.rpartition("; ")[2] for line in said] == ["1 running.", "1 running.", "0 running."]
    page = to.read_text()
    assert "refresh" not in page
    assert "again every" not in page
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["report.html"]


def test_it_waits_for_the_first_result_and_no_longer(studies: str, tmp_path: Path) -> None:
    import searched

    searched.search(studies, "none", "random_forest", [])
    to = tmp_path / "report.html"
    with pytest.raises(NoResultError):
        rewrite(["none"], studies, to, 600.0, wait=lambda seconds: None)
    with Store.open(studies) as store:
        lease = store.acquire(store.study("none"))
        said: list[str] = []
        with pytest.raises(NoResultError):
            rewrite(
                ["none"], studies, to, 60.0, tell=said.append, wait=lambda _: store.release(lease)
            )
    assert said[0].endswith("The page waits.")
    assert not to.exists()


def test_an_error_that_may_pass_ends_the_first_page_alone(
    studies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "report.html"
    locked = [False, True, True, False]
    collected = again.collect

    def collect(names: list[str], url: str, **given: Any) -> Report:
        if locked.pop(0):
            raise FesearchError("The database is locked.", "Try again.")
        return collected(names, url, **given)

    monkeypatch.setattr(again, "collect", collect)
    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))

        def wait(seconds: float) -> None:
            assert "</html>" in to.read_text()
            if len(locked) == 1:
                store.release(lease)

        said: list[str] = []
        rewrite(["nets"], studies, to, 600.0, tell=said.append, wait=wait)
    assert said[1:3] == ["The database is locked. The page waits."] * 2
    assert said[3].endswith("0 running.")
    locked[:] = [True]
    with pytest.raises(FesearchError, match="The database is locked"):
        rewrite(["nets"], studies, to, 600.0, wait=lambda seconds: None)


def test_a_study_that_is_deleted_ends_it(studies: str, tmp_path: Path) -> None:
    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))

        def wait(seconds: float) -> None:
            store.delete_study(lease)

        with pytest.raises(StudyNotFoundError):
            rewrite(["nets"], studies, tmp_path / "report.html", 600.0, wait=wait)


def test_ctrl_c_ends_it_and_the_page_stays(
    studies: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    to = tmp_path / "report.html"

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))
        monkeypatch.setattr("fesearch.report.again.time.sleep", interrupted)
        monkeypatch.setattr(
            "fesearch.report.again.rewrite.__kwdefaults__",
            {**(rewrite.__kwdefaults__ or {}), "wait": interrupted},
        )
        assert run(["report", "nets", "--to", str(to), "--every", "10m"]) == 0
        store.release(lease)
    assert "</html>" in to.read_text()
    assert "stays as it was written last" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--every", "soon"], "The time between two pages is 'soon'."),
        (["--every", "1s"], "A page every 1 s is too often."),
        (["--every", "10m", "--figures", "new"], "Figures are written once"),
    ],
)
def test_what_cannot_be_repeated_is_refused(
    words: list[str], said: str, studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "nets", "--to", str(tmp_path / "report.html"), *words]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(InputError):
        rewrite(["nets"], studies, tmp_path / "report.html", 1.0)
