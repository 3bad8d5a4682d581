"""``fesearch data split``, and what a study on a member of a repeated division records."""

import json
from pathlib import Path

import pytest
import searched
import sqlalchemy as sa

from fesearch.cli.app import run
from fesearch.search import start
from fesearch.study import Study


@pytest.fixture(autouse=True)
def _house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def repeats(tmp_path: Path) -> str:
    """The name of a data set in which every formula occurs twice."""
    file = tmp_path / "twice.csv"
    lines = [f"{text},{n % 7 - 3.5}" for n, text in enumerate(searched.FORMULAS * 2)]
    file.write_text("\n".join(["formula,e", *lines]) + "\n")
    words = ["--name", "twice", "--formula", "formula", "--target", "e", "--unit", "eV"]
    assert run(["data", "import", str(file), *words]) == 0
    return "twice"


def test_a_division_is_shown(repeats: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    words = ["data", "split", repeats, "--split", "random:group=none,sigma=1.2"]
    assert run([*words, "--format", "json"]) == 0
    printed = capsys.readouterr()
    shown = json.loads(printed.out)
    assert shown["split"] == "random:seed=0,fractions=81:9:10,group=none,sigma=1.2"
    assert len(shown["fingerprint"]) == 64
    assert (shown["parent"], shown["member"]) == (None, None)
    assert 0 < shown["formulas_crossing"] <= shown["formulas"] <= 60
    parts = {part["part"]: part for part in shown["parts"]}
    assert list(parts) == ["train", "val", "test", "unused"]
    assert sum(part["rows"] for part in parts.values()) == 120
    assert parts["unused"]["rows"] > 0
    assert parts["test"]["formula_in_training"] > 0
    assert parts["train"]["formula_in_training"] is None
    assert "rows (" in printed.err
    assert "To keep each formula on one side type: --split random:group=formula" in printed.err

    assert run(words) == 0
    assert "formula in training" in capsys.readouterr().out


def test_grouped_rows_do_not_leak(repeats: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["data", "split", repeats, "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["parts"][2]["formula_in_training"] == 0
    assert printed.err == "No test or validation row has its reduced formula in training.\n"


def test_all_members_are_shown(repeats: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    words = ["data", "split", repeats, "--split", "kfold:k=4,rows=magpie", "--format", "json"]
    assert run(words) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["member"] for row in shown["members"]] == [0, 1, 2, 3]
    assert sum(row["test"] for row in shown["members"]) == 120
    assert run([*words[:-3], "kfold:k=4,rows=magpie,member=2", "--format", "json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert one["parent"] == shown["fingerprint"]
    assert one["fingerprint"] == shown["members"][2]["fingerprint"]


def test_no_such_target(repeats: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["data", "split", repeats, "--target", "f"]) == 2
    assert capsys.readouterr().err.startswith("There is no target 'f'.\n")


def test_help_lists_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "split", "--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("random  ", "repeated  ", "kfold  ", "column  ", "leave_element  ", "sigma=5  "):
        assert f"    {word}" in printed


def study(name: str, split: str) -> Study:
    return Study(
        name=name,
        family="random_forest",
        data=searched.DATA,
        runner="inline",
        trials=1,
        space={**searched.SMALL_FOREST, "n_estimators": 10},
        split=split,
    )


def test_a_study_on_a_member_records_its_parent_and_siblings(sqlite_url: str) -> None:
    searched.save_data()
    rows = [start.start(study(f"fold{i}", f"kfold:k=3,member={i}"), sqlite_url) for i in (1, 2)]
    engine = sa.create_engine(sqlite_url)
    with engine.connect() as connection:
        found = connection.execute(
            sa.text(
                "SELECT member, m.fingerprint, spec, n_test FROM fesearch_members AS m "
                "JOIN fesearch_divisions AS d ON d.fingerprint = m.fingerprint ORDER BY member"
            )
        ).all()
        parents = (
            connection.execute(
                sa.text(
                    "SELECT spec FROM fesearch_divisions WHERE fingerprint IN "
                    "(SELECT parent FROM fesearch_members)"
                )
            )
            .scalars()
            .all()
        )
    engine.dispose()
    text = "kfold:k=3,seed=0,val=0.1,group=formula"
    assert parents == [text]
    assert [(one.member, one.spec, one.n_test) for one in found] == [
        (i, f"{text},member={i}", 20) for i in range(3)
    ]
    assert [row.row.key.split for row in rows] == [found[1].fingerprint, found[2].fingerprint]


def test_a_study_says_whether_it_leaks(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    searched.save_data()
    with caplog.at_level("INFO", logger="fesearch"):
        start.start(study("grouped", "random"), sqlite_url)
    assert "No test or validation row has its reduced formula in training." in caplog.messages
