"""A study in one file: written, ranked again, and refused when forged."""

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from fesearch import archive, archivefile, library
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.holdout import holdout
from fesearch.ranking.rank import tables
from fesearch.store.results import Store
from fesearch.store.transfer import PORTABLE


@pytest.fixture
def zipped(studies: str, tmp_path: Path) -> Path:
    """The archive of the study "nets", two of whose models have been looked at."""
    holdout("nets", studies, top=2)
    file = tmp_path / "nets.zip"
    archive.write("nets", studies, file, with_data=True)
    return file


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_an_archive_has_all_tables_of_a_store() -> None:
    assert tuple(PORTABLE) == archivefile.TABLE_NAMES


def test_the_same_study_gives_the_same_bytes(studies: str, zipped: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"
    archive.write("nets", studies, again, with_data=True)
    assert again.read_bytes() == zipped.read_bytes()


def test_people_can_read_it(studies: str, zipped: Path) -> None:
    found = members(zipped)
    assert list(found) == list(archivefile.MEMBERS)
    for content in found.values():
        assert content.decode().isprintable() or "\n" in content.decode()
    rows = table(found["rows.csv"])
    with Store.open(studies) as store:
        row = store.study("nets")
        division = store.division(row.key.data, row.key.split)
        trials = store.trials(row)
    parts = [one["part"] for one in rows]
    assert [parts.count(part) for part in ("train", "val", "test")] == [
        division.n_train,
        division.n_val,
        division.n_test,
    ]
    validation, test = (
        table(found[name]) for name in ("predictions/validation.csv", "predictions/test.csv")
    )
    assert [one["id"] for one in validation] == [r["id"] for r in rows if r["part"] == "val"]
    assert [one["id"] for one in test] == [r["id"] for r in rows if r["part"] == "test"]
    best = sorted(trials, key=lambda trial: trial.value or 9.0)[:2]  # which were looked at
    assert set(test[0]) == {"id", "h_form", *(f"trial {trial.number}" for trial in best)}
    for trial in trials:
        errors = [float(one[f"trial {trial.number}"]) - float(one["h_form"]) for one in validation]
        assert float(np.mean(np.abs(errors))) == pytest.approx(trial.value, rel=1e-6)


def test_without_a_look_there_are_no_test_predictions(studies: str, tmp_path: Path) -> None:
    archive.write("forests", studies, tmp_path / "x.zip")
    found = members(tmp_path / "x.zip")
    assert "predictions/test.csv" not in found
    assert "data.jsonl" not in found


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_the_ranking_is_the_same_bit_for_bit(
    studies: str, zipped: Path, tmp_path: Path, format: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rank", "--study", "nets", "--all", "--format", format]) == 0
    here = capsys.readouterr().out
    shutil.rmtree(tmp_path / "searched")  # neither the store nor data nor weights are needed
    assert run(["rank", "--from", str(zipped), "--all", "--format", format]) == 0
    assert capsys.readouterr().out == here
    with archive.opened(zipped) as (url, name):
        assert name == "nets"
        [ranked] = tables(url, every=True)
    looked_at = [entry for entry in ranked.entries if entry.test is not None]
    assert len(looked_at) == 2
    assert all(entry.standing is not None for entry in looked_at)  # compared row by row


def test_the_data_come_back_with_their_hash(studies: str, zipped: Path, tmp_path: Path) -> None:
    found = archive.data(zipped)
    assert found is not None
    assert found.hash == library.load("alloys").hash
    archive.write("nets", studies, tmp_path / "bare.zip")
    assert archive.data(tmp_path / "bare.zip") is None


def test_a_file_that_is_there_is_left_alone(studies: str, zipped: Path) -> None:
    before = zipped.read_bytes()
    with pytest.raises(InputError) as caught:
        archive.write("nets", studies, zipped)
    assert str(caught.value) == f"'{zipped}' exists already.\nChoose another --to, or remove it."
    assert zipped.read_bytes() == before


def test_a_study_that_is_searched_is_not_archived(studies: str, tmp_path: Path) -> None:
    with Store.open(studies) as store:
        lease = store.acquire(store.study("nets"))
        with pytest.raises(InputError, match="is being driven by"):
            archive.write("nets", studies, tmp_path / "x.zip")
        store.release(lease)
    assert not (tmp_path / "x.zip").exists()


Change = Callable[[dict[str, bytes]], Any]


def forged(file: Path, change: Change, *, honest: bool = True) -> str:
    """What is said of an archive with changed members; with ``honest`` their hashes are right."""
    content = members(file)
    change(content)
    if honest:
        import hashlib

        manifest = json.loads(content["archive.json"])
        manifest["sha256"] = {
            name: hashlib.sha256(text).hexdigest()
            for name, text in content.items()
            if name != "archive.json"
        }
        content["archive.json"] = json.dumps(manifest).encode()
    other = file.with_name("forged.zip")
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as written:
        for name, text in content.items():
            written.writestr(name, text)
    return refusal(other)


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught, archive.opened(file) as (url, _):
        tables(url)
    assert str(caught.value).count("\n") == 1
    return caught.value.message.replace(str(file), "FILE")


def line(name: str, **values: Any) -> Change:
    """Change values of the first line of a table."""

    def change(content: dict[str, bytes]) -> None:
        first, *rest = content[f"tables/{name}.jsonl"].decode().split("\n")
        row = json.loads(first) | values
        content[f"tables/{name}.jsonl"] = "\n".join([json.dumps(row), *rest]).encode()

    return change


def look(**values: Any) -> Change:
    """Change values of the first predictions that a look has left."""

    def change(content: dict[str, bytes]) -> None:
        first, *rest = content["predictions/looks.jsonl"].decode().split("\n")
        row = json.loads(first) | values
        content["predictions/looks.jsonl"] = "\n".join([json.dumps(row), *rest]).encode()

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (look(predicted=[0.0]), "is not what was kept as"),
        (look(rows="all"), "has no predictions"),
        (look(name="../../../evil"), "is not what was kept as '../../../evil'"),
        (lambda c: c.update({"../../evil.py": b"x"}), "it has '../../evil.py', which is no part"),
        (lambda c: c.update({"/etc/passwd": b"x"}), "it has '/etc/passwd', which is no part"),
        (lambda c: c.pop("study.toml"), "it has no 'study.toml'"),
        (lambda c: c.pop("data.json"), "it has only one of 'data.json' and 'data.jsonl'"),
        (lambda c: c.update({"tables/trials.jsonl": b"{]\n"}), "has a line that is not JSON"),
        (lambda c: c.update({"tables/trials.jsonl": b"[1]\n"}), "is no JSON object"),
        (lambda c: c.update({"tables/trials.jsonl": b'{"a":1,"a":2}\n'}), "'a' is there twice"),
        (lambda c: c.update({"tables/trials.jsonl": b'{"a":NaN}\n'}), "NaN is no number"),
        (lambda c: c.update({"tables/trials.jsonl": b"[" * 99999 + b"\n"}), "is not JSON"),
        (lambda c: c.update({"tables/trials.jsonl": b'{"a":' + b"9" * 9999 + b"}\n"}), "not JSON"),
        (lambda c: c.update({"tables/trials.jsonl": b"\xff\n"}), "cannot be read"),
        (lambda c: c.update({"tables/studies.jsonl": b""}), "it has 0 studies"),
        (line("studies", definition={}), "its study has no data or no family"),
        (line("studies", definition=[1]), "its study has no data or no family"),
        (line("trials", state="GOOD"), "These are not the rows of a study: trials.state is"),
        (line("trials", study_id=77), "These are not the rows of a study: a row names 77"),
        (line("trials", config=[1]), "These are not the rows of a study: trials.config is"),
        (line("trials", weights="x"), "These are not the rows of a study: trials have no"),
    ],
)
def test_a_forged_archive_is_refused(zipped: Path, change: Change, said: str) -> None:
    before = set(zipped.parent.rglob("*"))
    assert said in forged(zipped, change)
    assert set(zipped.parent.rglob("*")) - before == {zipped.with_name("forged.zip")}


def test_a_changed_member_is_seen(zipped: Path) -> None:
    said = forged(zipped, line("trials", value=0.0), honest=False)
    assert said == (
        "The archive 'FILE' is damaged: 'tables/trials.jsonl' is not what was written: its "
        "checksum differs."
    )


def test_an_archive_of_another_format_is_refused(zipped: Path) -> None:
    def newer(content: dict[str, bytes]) -> None:
        content["archive.json"] = content["archive.json"].replace(b'"format": 1', b'"format": 2')

    assert forged(zipped, newer) == "The archive 'FILE' has format '2'; this version reads 1."


def test_a_bomb_is_not_unpacked(zipped: Path) -> None:
    bomb = b"0" * (100 << 20)
    assert "'tables/reports.jsonl' would unpack to 104857600 bytes" in forged(
        zipped, lambda content: content.update({"tables/reports.jsonl": bomb})
    )


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(zipped: Path) -> None:
    content = bytearray(zipped.read_bytes())
    with zipfile.ZipFile(zipped) as opened:
        size = opened.getinfo("rows.csv").file_size
    entry = content.rindex(b"rows.csv") - 46  # its header in the directory at the end of the file
    assert int.from_bytes(content[entry + 24 : entry + 28], "little") == size
    content[entry + 24 : entry + 28] = (size - 5).to_bytes(4, "little")
    zipped.write_bytes(content)
    with archivefile.ArchiveFile(zipped) as opened, pytest.raises(InputError, match="damaged"):
        opened.rows("rows.csv")


@given(place=strategies.integers(0, 2**20), flipped=strategies.integers(1, 255))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_damaged_byte_is_seen_or_changes_nothing(
    small: tuple[bytes, dict[str, Any]], tmp_path: Path, place: int, flipped: int
) -> None:
    content, told = bytearray(small[0]), small[1]
    content[place % len(content)] ^= flipped
    file = tmp_path / "flipped.zip"
    file.write_bytes(content)
    try:
        with archivefile.ArchiveFile(file) as opened:
            assert opened.tables() == told
    except InputError as error:
        assert "flipped.zip' " in error.message  # noqa: PT017
        assert str(error).count("\n") == 1  # noqa: PT017


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    """A small archive, and its tables."""
    told: dict[str, Any] = {name: [{"id": 1, "name": name}] for name in archivefile.TABLE_NAMES}
    file = tmp_path_factory.mktemp("small") / "x.zip"
    lines = {f"tables/{name}.jsonl": archivefile.lines(rows) for name, rows in told.items()}
    texts = {"README.txt": "", "study.toml": "", "features.json": "{}\n", "rows.csv": "id,part\n"}
    archivefile.write(file, {**texts, **lines, "archive.json": "{}"})
    return file.read_bytes(), told


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.pop("formula"),
        lambda row: row.update(formula=3),
        lambda row: row.update(formula="Xx2"),
        lambda row: row.update(targets=[1]),
        lambda row: row["targets"].update(h_form="low"),
        lambda row: row.update(id=[]),
    ],
)
def test_data_that_are_none_are_refused(zipped: Path, change: Callable[[Any], Any]) -> None:
    texts = {name: content.decode() for name, content in members(zipped).items()}
    first, rest = texts["data.jsonl"].split("\n", 1)
    row = json.loads(first)
    change(row)
    other = zipped.with_name("other.zip")
    archivefile.write(other, {**texts, "data.jsonl": f"{json.dumps(row)}\n{rest}"})
    with pytest.raises(InputError) as caught:
        archive.data(other)
    assert "'data.jsonl' is no data set (" in caught.value.message
    assert str(caught.value).count("\n") == 1


def test_a_name_twice_is_refused(zipped: Path) -> None:
    with (
        zipfile.ZipFile(zipped, "a") as opened,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        opened.writestr("README.txt", "other")
    assert refusal(zipped) == "The archive 'FILE' is damaged: it has 'README.txt' twice."


@pytest.mark.parametrize("cut", [0, 10, 500, -10])
def test_a_file_that_is_cut_is_refused(zipped: Path, cut: int) -> None:
    zipped.write_bytes(zipped.read_bytes()[:cut])
    assert "it is no zip file" in refusal(zipped)


def test_no_file_is_no_archive(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.zip") == "There is no archive 'FILE'."
    assert refusal(tmp_path) == "There is no archive 'FILE'."
