"""What is kept of single structures: found again, torn or not, from any number of processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fesearch import structure, structurecache
from fesearch.cli.app import run
from fesearch.errors import FesearchError
from fesearch.structurecache import Failed, StructureCache

ROW = np.array([1.5, -0.0, np.nan, np.inf, 1e-38, 0.1], dtype=np.float32)
A, B, C = (structure.digest(text) for text in "abc")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the files of version 1."""
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path))
    return tmp_path / "structures" / "mine" / "1"


def mine(version: str = "1") -> StructureCache:
    return StructureCache("mine", version)


def keep(*entries: tuple[str, structurecache.Entry]) -> None:
    """What another process has written."""
    with mine() as cache:
        for digest, entry in entries:
            cache.keep(digest, entry)


def test_a_row_comes_back_bit_for_bit() -> None:
    keep((A, ROW))
    [(digest, found)] = mine().find([A, B], seconds=60).items()
    assert digest == A
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    assert found.tobytes() == ROW.tobytes()


def test_it_is_there_before_the_cache_is_closed(folder: Path) -> None:
    with mine() as cache:
        assert not folder.exists(), "reading writes nothing"
        cache.keep(A, ROW)
        assert set(mine().find([A], seconds=60)) == {A}


def test_only_what_is_asked_for_is_read() -> None:
    keep((A, ROW), (B, ROW), (C, Failed("no")))
    assert set(mine().find([B, C], seconds=60)) == {B, C}
    assert mine().find([], seconds=60) == {}


def test_another_version_and_another_set_know_nothing() -> None:
    keep((A, ROW))
    assert mine("2").find([A], seconds=60) == {}
    assert StructureCache("other", "1").find([A], seconds=60) == {}


def test_a_failure_is_remembered_with_its_reason() -> None:
    keep((A, Failed("it is “flat”\n")))
    assert mine().find([A], seconds=1e9) == {A: Failed("it is “flat”\n")}


def test_a_time_out_is_tried_again_with_more_time() -> None:
    late = Failed("took longer than 60 s", 60)
    keep((A, late))
    assert mine().find([A], seconds=60) == {A: late}
    assert mine().find([A], seconds=10) == {A: late}
    assert mine().find([A], seconds=61) == {}


def test_a_row_counts_more_than_any_failure() -> None:
    keep((A, Failed("took longer than 60 s", 60)), (B, ROW))
    keep((A, ROW), (B, Failed("took longer than 1 s", 1)))
    assert all(isinstance(one, np.ndarray) for one in mine().find([A, B], seconds=1).values())


def test_a_torn_line_is_as_if_it_were_not_there(folder: Path) -> None:
    keep((A, ROW), (B, ROW))
    [path] = folder.iterdir()
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        assert set(mine().find([A, B], seconds=60)) == {A}
    keep((B, ROW))
    assert set(mine().find([A, B], seconds=60)) == {A, B}


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_a_damaged_line_is_as_if_it_were_not_there(folder: Path, data: st.DataObject) -> None:
    structurecache.clear()
    keep((A, ROW), (B, Failed("no")))
    [path] = folder.iterdir()
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found = mine().find([A, B], seconds=60)
    assert len(found) <= 1
    for digest, entry in found.items():
        if isinstance(entry, Failed):
            assert (digest, entry) == (B, Failed("no"))
        else:
            assert (digest, entry.tobytes()) == (A, ROW.tobytes())


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_bytes_can_be_in_the_folder(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "garbage.lines").write_bytes(content)
    assert mine().find([A], seconds=60) == {}


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from fesearch import structure\n"
        "from fesearch.structurecache import StructureCache\n"
        "with StructureCache('mine', '1') as cache:\n"
        "    for number in range(300):\n"
        "        name = f'{number} {sys.argv[1] if number % 2 else 0}'\n"
        "        cache.keep(structure.digest(name), np.full(128, number, dtype=np.float32))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    names = {
        structure.digest(f"{number} {who if number % 2 else 0}"): number
        for number in range(300)
        for who in range(3)
    }
    found = mine().find(names, seconds=60)
    assert len(found) == 600
    assert all(np.all(found[digest] == number) for digest, number in names.items())


def test_its_size_and_clearing_it(tmp_path: Path) -> None:
    assert (structurecache.size("mine"), structurecache.clear()) == (0, 0)
    keep((A, ROW))
    with StructureCache("other", "1") as cache:
        cache.keep(A, Failed("no"))
    size, other = structurecache.size("mine"), structurecache.size("other")
    assert size > 0
    assert other > 0
    assert structurecache.clear() == size + other
    assert structurecache.size("mine") == 0
    assert mine().find([A], seconds=60) == {}


def test_clearing_under_a_writer_does_not_stop_it() -> None:
    with mine() as cache:
        cache.keep(A, ROW)
        structurecache.clear()
        cache.keep(B, ROW)
    keep((A, ROW))
    assert set(mine().find([A], seconds=60)) == {A}


def test_a_folder_that_cannot_be_written_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(FesearchError) as failed, mine() as cache:
        cache.keep(A, ROW)
    assert str(failed.value) == (
        f"The features cannot be written to {tmp_path}/file/structures/mine/1: Not a directory.\n"
        "Make room there, or name another folder in FESEARCH_CACHE_DIR."
    )


def test_features_list_counts_it_and_features_clear_empties_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with StructureCache("magpie_voronoi", "1") as cache:
        cache.keep(A, ROW)
    size = structurecache.size("magpie_voronoi")
    assert run(["features", "list", "--format", "json"]) == 0
    sizes = {row["name"]: row["cached_bytes"] for row in json.loads(capsys.readouterr().out)}
    assert sizes["magpie_voronoi"] == size
    assert run(["features", "clear"]) == 0
    assert structurecache.size("magpie_voronoi") == 0
