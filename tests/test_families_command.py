"""``fesearch families``: list, show, check."""

import csv
import io
import json
from pathlib import Path

import pytest
from own_files import EXAMPLE, RIDGES, forget, full, write

from fesearch.cli.app import run as command
from fesearch.contract.checks import CHECKS


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)


def test_families_list_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["families", "list", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"irnet", "random_forest"} <= {row["name"] for row in rows}
    for row in rows:
        assert {"name", "title", "source"} <= set(row)


def test_families_show_has_both_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["families", "show", "irnet"]) == 0
    printed = capsys.readouterr().out
    assert "depth" in printed
    assert "17, 24, 48" in printed
    assert "3 … 48" in printed
    assert "fp32, tf32, bf16" in printed  # of a parameter that no space has
    assert command(["families", "show", "irnet", "--preset", "published", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0]) == ["parameter", "published", "source"]
    published = {row["parameter"]: row["published"] for row in rows}
    assert published["depth"].startswith("17, 24, 48")


def test_the_worked_example_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["families", "check", str(EXAMPLE), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == len(CHECKS)
    others = [one["reason"] for one in found if one["result"] != "passed"]
    assert others == ["it does not pause within a step", "its models are not written as programs"]


def test_a_family_that_exits_fails_its_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exits = "\ndef build(*args, **keys):\n    raise SystemExit('enough')\n"
    path = write(tmp_path, "mine.py", RIDGES, exits, "FAMILY = replace(FAMILY, build=build)\n")
    assert command(["families", "check", str(path), "--format", "json"]) == 1
    found = {one["check"]: one for one in json.loads(capsys.readouterr().out)}
    assert len(found) == len(CHECKS)
    failed = [one["reason"] for one in found.values() if one["result"] == "failed"]
    assert len(failed) > 10
    assert all("SystemExit: enough" in reason for reason in failed)


def test_a_family_that_fails_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "mine.py", RIDGES.replace('"Mine"', '""'))
    assert command(["families", "check", str(path)]) == 1
    done = capsys.readouterr()
    [line] = [line for line in done.out.splitlines() if line.startswith("failed")]
    assert line.split(None, 1)[1].endswith("It has no title.")
    assert done.err.splitlines()[-2:] == [
        f"{full('ridges', path)} fails 1 of 32 checks.",
        f"For tracebacks type: fesearch -v families check {path}",
    ]
    assert "skipped" in done.out  # it is linear
