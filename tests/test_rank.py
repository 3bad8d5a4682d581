"""Rankings: one table a key, the fair comparison by default, sealed until a look."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import searched
import sqlalchemy as sa
from ranked import looked

from fesearch.cli.app import run
from fesearch.cli.output import Column, show
from fesearch.errors import InputError, NoResultError, StudyNotFoundError
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.ranking.columns import ENSEMBLES, shown
from fesearch.ranking.rank import tables
from fesearch.record import TrialSpec
from fesearch.store.results import Store
from fesearch.store.types import RankedTrial


def test_each_key_has_a_table_with_the_best_of_each_family_and_study(studies: str) -> None:
    first, second = tables(studies)
    assert {entry.trial.study for entry in first.entries} == {"nets", "forests"}
    assert [entry.trial.study for entry in second.entries] == ["elsewhere"]
    assert first.summary.key.data == second.summary.key.data
    assert first.summary.key.split != second.summary.key.split
    values = [entry.trial.value for entry in first.entries]
    assert values == sorted(values)
    assert [entry.position for entry in first.entries] == [1, 2]
    assert (first.data, first.looks) == ("alloys", 0)
    rows = first.division
    assert rows.n_train + rows.n_val + rows.n_test == 60


def test_what_it_took_is_counted_with_the_failed_trials(studies: str) -> None:
    effort = {entry.trial.study: entry.effort for entry in tables(studies)[0].entries}
    assert (effort["nets"].trials, effort["forests"].trials) == (2, 3)
    with Store.open(studies) as store:
        spent = sum(trial.seconds for trial in store.trials(store.study("forests")))
    assert effort["forests"].seconds == pytest.approx(spent)


def test_all_trials_are_ranked_when_asked(studies: str) -> None:
    entries = tables(studies, every=True)[0].entries
    assert len(entries) == 4  # the failed one is none of them
    values = [entry.trial.value for entry in entries]
    assert values == sorted(values)


def test_filters_leave_the_keys_that_have_what_is_asked_for(studies: str) -> None:
    first, second = tables(studies)
    key = first.summary.key
    asked = {"data": "alloys", "target": "h_form", "metric": "mae", "split": key.split[:8]}
    assert tables(studies, **asked) == [first]
    assert tables(studies, data=key.data[:10]) == [first, second]
    assert [table.summary.key for table in tables(studies, studies=["elsewhere"])] == [
        second.summary.key
    ]
    for part in asked:
        with pytest.raises(NoResultError, match="no usable trial to rank"):
            tables(studies, **{part: "nowhere"})
    with pytest.raises(StudyNotFoundError):
        tables(studies, studies=["nts"])


def test_a_study_without_a_usable_trial_is_3_though_its_key_has_some(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    searched.search(studies, "broken", "random_forest", [])
    assert run(["rank", "--study", "broken"]) == 3
    assert capsys.readouterr() == (
        "",
        "The study 'broken' has no usable trial yet: 0 failed, 0 unfinished.\n"
        "Go on with: fesearch study resume broken\n",
    )
    with Store.open(studies) as store:
        lease = store.acquire(store.study("broken"))
        store.begin_trial(lease, TrialSpec(0, "random_forest", {}, 1, (1,)), "trees")
        failed = store.trial(store.study("forests"), 2)
        store.finish_trial(lease, replace(failed, number=0))
    assert run(["rank", "--study", "broken", "--format", "json"]) == 3
    assert capsys.readouterr() == (
        "",
        "The study 'broken' has no usable trial: 1 of 1 failed.\nSee why: fesearch trials broken\n",
    )
    (table,) = tables(studies, studies=["broken", "nets"])
    assert [entry.trial.study for entry in table.entries] == ["nets"]


def test_a_mixed_comparison_is_declined_with_both_fingerprints(studies: str) -> None:
    keys = [table.summary.key for table in tables(studies)]
    with pytest.raises(InputError) as caught:
        tables(studies, studies=["nets", "elsewhere"])
    assert str(caught.value) == (
        "'nets' and 'elsewhere' cannot be compared: "
        f"split {keys[0].split[:12]} and {keys[1].split[:12]}.\n"
        "Type fesearch rank for a table of each, or search both on one division."
    )
    with pytest.raises(InputError, match=f"{keys[0].split} and {keys[1].split}"):
        tables(studies, split="")


def test_json_has_the_promised_keys(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rank", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 3
    promised = "position study trial family data split val_mae test_mae seconds"
    for row in rows:
        assert set(promised.split()) <= set(row)
        assert row["test_mae"] is None
        assert row["data"] == "alloys"
        assert len(row["split"]) == 64


def test_validation_scores_in_every_metric_need_no_look(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rank", "--format", "json"]) == 0
    before = json.loads(capsys.readouterr().out)
    for row in before:
        assert row["val_rmse"] >= row["val_mae"] > 0
        assert row["val_p90"] > 0
        assert row["val_r2"] <= 1
        assert row["val_interval"][0] < row["val_mae"] < row["val_interval"][1]
        assert row["test_rmse"] is None
    holdout("forests", studies)  # which predicts the validation rows again
    assert run(["rank", "--study", "forests", "--format", "json"]) == 0
    (after,) = json.loads(capsys.readouterr().out)
    (said,) = (row for row in before if row["study"] == "forests")
    for name in ("val_mae", "val_rmse", "val_p90", "val_r2"):
        assert after[name] == pytest.approx(said[name], rel=1e-5)
    assert run(["rank"]) == 0
    out = capsys.readouterr().out
    assert "validation R²" in out
    assert "95 % interval of validation MAE (eV/atom)" in out


def test_the_table_has_units_and_what_all_have_in_common(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rank"]) == 0
    out = capsys.readouterr().out
    first, second = (table.summary.key for table in tables(studies))
    assert f"data      alloys ({first.data[:12]}), target h_form\n" in out
    assert "metric    MAE in eV/atom, lower is better\n" in out
    for key in (first, second):
        assert f"({key.split[:12]}): " in out
    assert out.count("validation MAE (eV/atom)") == 4  # with intervals
    assert out.count("sealed") == 3
    assert "4 epochs" in out
    assert "20 trees" in out
    assert "searched after a look" not in out


def test_a_metric_that_is_not_in_the_unit_of_the_target_lends_it_to_no_other(studies: str) -> None:
    table = tables(studies)[0]
    summary = table.summary
    by_share = replace(summary, unit="%", key=replace(summary.key, metric="share"))
    _, columns = shown(replace(table, summary=by_share))
    units = {column.key: column.unit for column in columns}
    assert (units["val_share"], units["val_mae"], units["val_interval"]) == ("%", "", "")
    _, columns = shown(table)
    units = {column.key: column.unit for column in columns}
    assert units["val_mae"] == units["val_rmse"] == units["val_interval"] == "eV/atom"


def test_csv_is_one_table(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rank", "--all", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 5
    assert {row["test_mae"] for row in rows} == {""}


def test_no_database_is_an_error_that_says_so(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rank", "--storage", f"sqlite:///{tmp_path}/none.db"]) == 2
    assert capsys.readouterr().err == (
        f"There is no database '{tmp_path}/none.db'.\n"
        "Start a study with fesearch study start, or name another one with --storage.\n"
    )


def test_nothing_to_rank_is_3(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rank", "--data", "nowhere"]) == 3
    assert capsys.readouterr().err.endswith("Type: fesearch study list\n")


@pytest.mark.parametrize("command", [["rank"], ["best", "nets"], ["trials", "nets"]], ids=str)
def test_looking_at_results_loads_nothing_heavy(studies: str, command: list[str]) -> None:
    heavy = ["torch", "ray", "optuna", "matminer", "pymatgen", "sklearn", "pandas", "pyarrow"]
    heavy += ["alembic", "sqlalchemy.dialects.postgresql"]
    heavy += ["numpy"] if command == ["rank"] else []
    program = (
        "import sys; from fesearch.cli.app import run; "
        f"code = run({command}); "
        f"sys.exit(code or ' '.join(m for m in {heavy} if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_markdown_and_latex_are_tables_for_papers(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rank", "--study", "nets", "--study", "forests", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "random\\_forest" in "".join(table)
    assert run(["rank", "--study", "forests", "--format", "latex"]) == 0
    out = capsys.readouterr().out
    assert out.index("\\toprule") < out.index("\\midrule") < out.index("\\bottomrule")
    assert "random\\_forest & " in out
    assert "\\# & study" in out
    show([{"a": 1}], [Column("a", unit="μB \u212b·K⁻¹")], "latex")
    assert "a ($\\mu$B \\AA{}·K$^-$¹)" in capsys.readouterr().out


def test_what_is_said_beside_a_table_is_a_comment_in_latex_and_escaped_in_markdown(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    looked(studies)
    holdout_ensemble(["nets", "forests"], studies, 4)
    assert run(["rank", "--format", "latex"]) == 0
    outside, inside = [], False
    for line in capsys.readouterr().out.splitlines():
        inside = inside or line.startswith("\\begin{tabular}")
        outside += [] if inside else [line]
        inside = inside and line != "\\end{tabular}"
    assert all(line.startswith("%") for line in outside), outside
    said = "\n".join(outside)
    for words in ("target h_form", "are not told apart", ENSEMBLES, "such scores flatter"):
        assert words in said
    assert run(["rank", "--format", "markdown"]) == 0
    assert "target h\\_form" in capsys.readouterr().out


def test_what_was_trained_on_gpus_is_counted_apart(studies: str) -> None:
    assert {entry.effort.gpu_seconds for entry in tables(studies)[0].entries} == {0.0}
    engine = sa.create_engine(studies)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE fesearch_trials SET device = 'cuda' WHERE number = 0")
    engine.dispose()
    with Store.open(studies) as store:
        spent = store.trial(store.study("nets"), 0).seconds
    (effort,) = (e.effort for e in tables(studies)[0].entries if e.trial.study == "nets")
    assert effort.gpu_seconds == pytest.approx(spent)
    assert effort.seconds > spent


def test_leaders_are_the_first_of_all(studies: str) -> None:
    with Store.open(studies) as store:
        every, leaders = store.ranking(), store.ranking(leaders=True)
    first: dict[tuple[object, ...], RankedTrial] = {}
    for trial in every:
        first.setdefault((trial.key, trial.study, trial.family), trial)
    assert leaders == list(first.values())
    assert len(leaders) < len(every)
