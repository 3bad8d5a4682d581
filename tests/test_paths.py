"""Where files live, and writing them whole."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fesearch import paths
from fesearch.errors import InputError


def test_argument_over_environment_over_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FESEARCH_STORAGE", "FESEARCH_CACHE_DIR", "FESEARCH_ARTIFACTS"):
        monkeypatch.delenv(name, raising=False)
    assert paths.storage_url() == "sqlite:///fesearch.db"
    assert paths.artifacts_dir() == Path("fesearch-artifacts")
    assert paths.cache_dir().name == "fesearch"
    monkeypatch.setenv("FESEARCH_STORAGE", "sqlite:///a.db")
    monkeypatch.setenv("FESEARCH_CACHE_DIR", "c")
    monkeypatch.setenv("FESEARCH_ARTIFACTS", "d")
    assert paths.storage_url() == "sqlite:///a.db"
    assert paths.storage_url("sqlite:///b.db") == "sqlite:///b.db"
    assert (paths.cache_dir(), paths.artifacts_dir()) == (Path("c"), Path("d"))


@pytest.mark.parametrize("name", ["a", "mp-1.2_x", "0" * 64])
def test_names_that_can_be_given(name: str) -> None:
    assert paths.checked_name("study", name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "-a", "a b", "é", "a\n", "0" * 65])
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(InputError, match="A study cannot be called") as caught:
        paths.checked_name("study", name)
    assert "\n" not in caught.value.message


def test_a_pipe_is_not_replaced_and_a_link_is_followed(tmp_path: Path) -> None:
    pipe, file, link = (tmp_path / name for name in ("pipe", "file", "link"))
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="it is no plain file"), paths.atomic_write(pipe):
        pytest.fail("it was begun")
    assert pipe.is_fifo()
    file.write_text("old")
    link.symlink_to(file)
    with paths.atomic_write(link) as partial:
        partial.write_text("new")
    assert link.is_symlink()
    assert file.read_text() == "new"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with paths.atomic_write(path) as partial:
        partial.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"

    def half() -> None:
        with paths.atomic_write(path) as partial:
            partial.write_text("tw")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_artifacts_go_elsewhere_in_one_thread_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", "usual")
    with paths.artifacts_at(tmp_path), ThreadPoolExecutor(1) as pool:
        assert paths.artifacts_dir() == tmp_path
        assert pool.submit(paths.artifacts_dir).result() == Path("usual")
        with paths.artifacts_at(None):
            assert paths.artifacts_dir() == tmp_path
    assert paths.artifacts_dir() == Path("usual")
