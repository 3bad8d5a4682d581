"""Rankings after looks at test parts, and over repeated divisions."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searched
from ranked import looked

from fesearch.cli.app import run
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.metrics import Direction
from fesearch.predictions import holdout_folder, kept
from fesearch.ranking.columns import ANEW, ENSEMBLES, UNVALIDATED, remarks, shown
from fesearch.ranking.contender import Contender, Spread, ordered, validation_interval
from fesearch.ranking.pooled import interval
from fesearch.ranking.rank import repeated_tables, tables
from fesearch.ranking.repeats import RepeatedTable
from fesearch.record import ResultKey, TrialSpec
from fesearch.report import collect, render
from fesearch.search.folder import identity
from fesearch.statistics import corrected_resampled_test, holm, paired_tests
from fesearch.store.how import Trained
from fesearch.store.results import Store
from fesearch.store.types import Division


def test_a_look_unseals_the_trial_and_marks_what_begins_after_it(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        store.add_look(row, 0, row.key.split, {"mae": 0.75, "r2": 0.5}, 6)
        spec = TrialSpec(2, "irnet", {}, 1, (1,))
        lease = store.acquire(row)
        store.begin_trial(lease, spec, "epochs")
        last = replace(store.trial(row, 0), number=2, value=9.0)
        store.finish_trial(lease, last)
    table = tables(studies, every=True)[0]
    found = {(entry.trial.study, entry.trial.number): entry for entry in table.entries}
    assert found["nets", 0].test == 0.75
    assert found["nets", 1].test is None
    assert table.looks == 1
    assert [found["nets", n].trial.after_look for n in (0, 1, 2)] == [False, False, True]


def test_a_look_at_a_deleted_study_is_not_at_its_namesake(studies: str) -> None:
    with Store.open(studies) as store:
        row = store.study("nets")
        store.add_look(row, 0, row.key.split, {"mae": 0.75}, 6)
        old = store.trial(row, 0)
        division = store.division(row.key.data, row.key.split)
        store.delete_study(store.acquire(row))
        fields = {name: getattr(row, name) for name in ("seed", "key", "unit", "direction")}
        again = store.create_study(
            "nets", row.definition, **fields, division=division, features="", versions={}
        )
        lease = store.acquire(again)
        store.begin_trial(lease, TrialSpec(0, "irnet", old.config, 1, (1,)), "epochs")
        store.finish_trial(lease, old)
    entries = tables(studies)[0].entries
    assert [entry.test for entry in entries] == [None, None]


def test_looks_bring_intervals_ties_and_seeds(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    looked(studies)
    by_study = {entry.trial.study: entry for entry in tables(studies)[0].entries}
    forests, nets = by_study["forests"], by_study["nets"]
    assert forests.look is not None
    assert nets.look is not None
    assert forests.by_seed is not None
    assert forests.by_seed.count == 3
    assert nets.by_seed is None
    assert run(["rank"]) == 0
    out = capsys.readouterr().out
    for heading in ("ties", "p to next", "test R²", "row in (µs)"):
        assert heading in out
    for heading in ("95 % interval of test MAE", "test RMSE", "SD over seeds"):
        assert f"{heading} (eV/atom)" in out
    assert "are not told apart: paired t tests" in out


def test_lines_are_told_apart_by_their_errors_on_the_same_rows(studies: str) -> None:
    looked(studies)
    holdout_ensemble(["nets", "forests"], studies, 4)
    lines = [line for line in tables(studies)[0].lines() if line.looks]
    assert len(lines) == 4  # two models of trials, a config trained again, an ensemble
    with Store.open(studies) as store:
        folders = {name: identity(store.study(name)) for name in ("forests", "nets")}
    said = [
        [found for look in line.looks if (found := kept(folders[look.study], look.how.predictions))]
        for line in lines
    ]
    assert sorted(map(len, said)) == [1, 1, 1, 3]
    errors = np.stack([np.mean([one.errors for one in seeds], axis=0) for seeds in said])
    tests = paired_tests(errors, said[0][0].groups)
    p = dict(zip(tests, holm([one.p for one in tests.values()]), strict=True))
    standings = [line.standing for line in lines if line.standing is not None]
    assert [one.p_next for one in standings] == [
        *(pytest.approx(p[at, at + 1]) for at in range(3)),
        None,
    ]
    for (first, second), corrected in p.items():
        both = set(standings[first].ties) & set(standings[second].ties)
        assert bool(both) is (corrected >= 0.05)
    (again,) = (one for one in lines if isinstance(one, Contender) and not one.picks)
    assert again.interval == interval([next(seeds for seeds in said if len(seeds) == 3)])


def test_ensembles_have_the_interval_of_their_validation_mae(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    holdout_ensemble(["nets", "forests"], studies, 4)
    assert run(["rank", "--format", "json"]) == 0
    [joint] = [one for one in json.loads(capsys.readouterr().out) if one["family"] == "ensemble"]
    low, high = joint["val_interval"]
    assert low < joint["val_mae"] < high
    assert "val_mae_low" not in joint
    assert joint["after_look"] is False


def test_rows_that_did_not_score_give_no_interval_of_validation(studies: str) -> None:
    """With inner folds training rows score, and what is kept is of the validation rows."""
    looks = [one.look for one in holdout("nets", studies, seeds=2).scored]
    with Store.open(studies) as store:
        rows = {row.name: row for row in store.study_rows()}
    assert validation_interval(looks, rows) is not None
    other = {**looks[1].how.validation, "mae": 1.0}
    folded = [looks[0], replace(looks[1], how=replace(looks[1].how, validation=other))]
    assert validation_interval(folded, rows) is None


@pytest.mark.parametrize("format", ["table", "markdown", "latex", "csv", "json"])
def test_configs_trained_again_have_lines_with_all_scores(
    studies: str, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    again = [one.look for one in holdout("nets", studies, seeds=3).scored]
    (joined,) = (one.look for one in holdout("nets", studies, retrain=True).scored)
    assert run(["rank", "--study", "nets", "--format", "json"]) == 0
    entry, seeds, more = json.loads(capsys.readouterr().out)
    assert [one["position"] for one in (entry, seeds, more)] == [1, None, None]
    trained = ["as searched", "trained again", "train + validation"]
    assert [one["trained"] for one in (entry, seeds, more)] == trained
    for name in ("mae", "rmse", "p90", "r2"):
        assert entry[f"test_{name}"] is None
        assert seeds[f"test_{name}"] == pytest.approx(np.mean([one.scores[name] for one in again]))
        assert more[f"test_{name}"] == joined.scores[name]
        held = [one.how.validation[name] for one in again]
        assert seeds[f"val_{name}"] == pytest.approx(np.mean(held))
        assert more[f"val_{name}"] is None
    assert seeds["seeds_sd"] == pytest.approx(np.std([one.value for one in again], ddof=1))
    assert (seeds["seeds_count"], more["seeds_count"], more["seeds_sd"]) == (3, 1, None)
    assert joined.how.interval is not None
    assert more["test_interval"] == list(joined.how.interval)
    for part in ("val", "test"):
        assert seeds[f"{part}_interval"][0] < seeds[f"{part}_mae"] < seeds[f"{part}_interval"][1]
    assert more["val_interval"] is None
    for name in ("family", "trial", "config", "parameters", "trials", "search_hours", "data"):
        assert seeds[name] == more[name] == entry[name]
    assert seeds["ties"]
    assert seeds["p_next"] is not None
    assert run(["rank", "--study", "nets", "--format", format]) == 0
    out = capsys.readouterr().out.replace("\\", "")
    assert "train + validation" in out
    assert ("trained again, 3 seeds" in out) is (format not in ("csv", "json"))
    assert (ANEW.split("\n")[0] in out) is (format not in ("csv", "json"))
    assert "sealed" not in out


def test_a_ranking_over_divisions_has_configs(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for member, depth in ((0, 10), (1, 2)):
        config = {**searched.SMALL_FOREST, "max_depth": depth}
        split, name = f"kfold:k=2,member={member}", f"fold{member}"
        searched.search(studies, name, "random_forest", [config], split=split)
        holdout(name, studies)
    holdout("fold0", studies, over="members")
    (table,) = repeated_tables(studies)
    rows, columns = shown(table)
    assert "config" in [one.key for one in columns]
    found = {row["trained"]: row["config"] for row in rows}
    assert found == {
        "as searched": {**searched.SMALL_FOREST, "max_depth": "10|2"},
        "trained again": searched.SMALL_FOREST,
    }
    assert run(["rank", "--split", table.key.split[:12], "--format", "json"]) == 0
    said = {row["trained"]: row for row in json.loads(capsys.readouterr().out)}
    assert said["trained again"]["config"] == searched.SMALL_FOREST
    assert said["as searched"]["config"] is None
    assert [one["max_depth"] for one in said["as searched"]["configs"]] == [10, 2]
    assert said["as searched"]["trials_scored"] == [["fold0", 0], ["fold1", 0]]


def test_a_repeated_division_has_a_table_of_its_own(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    looked(studies)
    (table,) = repeated_tables(studies)
    (one,) = table.contenders
    assert (one.family, one.searched, one.trained) == (
        "random_forest",
        "elsewhere",
        "trained again",
    )
    assert (one.flattered, one.seeds, len(one.scores), table.looks) == (1, 3, 2, 6)
    scores = list(one.scores.values())
    assert one.test["mae"].mean == pytest.approx(np.mean(scores))
    assert one.test["mae"].sd == pytest.approx(np.std(scores, ddof=1))
    assert one.interval is not None
    low, high = one.interval
    assert low < one.test["mae"].mean < high
    assert repeated_tables(studies, split=table.key.split[:9]) == [table]
    assert repeated_tables(studies, data="nowhere") == []
    assert run(["rank", "--split", table.key.split[:12], "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    promised = "position study trial family data split val_mae test_mae seconds"
    assert set(promised.split()) <= set(row)
    assert row["repeated"] is True
    assert row["test_interval"] == [low, high]
    assert (row["searched"], row["searched_on"]) == (
        "elsewhere",
        ["random:seed=0,fractions=81:9:10,group=formula"],
    )
    with Store.open(studies) as store:
        every = [look for look in store.looks() if look.how.trained == "trained again"]
    hows = [[look.how for look in every if look.split == member] for member in one.scores]
    for name in ("mae", "rmse", "r2", "p90"):
        held = [np.mean([how.validation[name] for how in there]) for there in hows]
        assert row[f"val_{name}"] == pytest.approx(np.mean(held))
        assert row[f"val_{name}_sd"] == pytest.approx(np.std(held, ddof=1))
    covered = [how.coverage["0.5"] for there in hows for how in there]
    assert row["test_coverage"]["0.5"] == pytest.approx(np.mean(covered, axis=0))
    assert run(["rank", "--split", table.key.split[:12]]) == 0
    out = capsys.readouterr().out
    assert "divisions repeated:divisions=2" in out
    assert "such scores flatter" in out
    assert "  elsewhere, on random:seed=0  " in out
    assert "95 % interval of test MAE (eV/atom)" in out
    assert "test RMSE (eV/atom)" in out
    assert "validation RMSE (eV/atom)" in out
    assert "95 % interval of test MAE" in render(collect(["forests"], studies))
    with Store.open(studies) as store:
        lost = next(look for look in store.looks() if look.how.over == table.key.split)
        folder = identity(store.study("forests"))
    (holdout_folder(folder) / str(lost.how.predictions)).unlink()
    assert repeated_tables(studies)[0].contenders[0].interval is None


def test_a_repeated_division_takes_the_trials_that_were_looked_at_alone(
    studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Store, "ranking", refused)
        patch.setattr(Store, "efforts", refused)
        assert repeated_tables(studies) == []
    looked(studies)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "ranking", refused)
        asked: list[tuple[str, set[int]]] = []
        ranked = Store.ranked
        patch.setattr(
            Store, "ranked", lambda store, *what: asked.append(what) or ranked(store, *what)
        )
        (table,) = repeated_tables(studies)
    with Store.open(studies) as store:
        looks = store.looks()
    for study, numbers in asked:
        assert numbers == {look.trial for look in looks if look.study == study}
    assert set(table.contenders[0].trials) <= {(name, n) for name, ns in asked for n in ns}


def test_an_ensemble_is_no_line_of_a_part_of_its_studies(studies: str) -> None:
    """What was searched for it would be that of the part alone."""
    found = holdout_ensemble(["nets", "forests"], studies, 4, over="kfold:k=2")
    names = [name.partition(":")[0] for name in found.scored[0].look.how.picks]
    assert set(names) == {"nets", "forests"}
    (whole,) = repeated_tables(studies)
    assert [one.picks != {} for one in whole.contenders].count(True) == 1
    for name in ("nets", "forests"):
        (table,) = repeated_tables(studies, studies=[name]) or [None]
        assert table is None or not any(one.picks for one in table.contenders)
    (both,) = repeated_tables(studies, studies=["nets", "forests"])
    assert any(one.picks for one in both.contenders)


def test_a_retrained_look_is_no_secret(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = holdout("nets", studies, retrain=True).scored[0].look
    [entry] = [one for one in tables(studies)[0].entries if one.trial.study == "nets"]
    assert (entry.test, entry.by_seed) == (None, None), "its own model has not been scored"
    assert entry.joined is not None
    assert entry.joined == Spread(scored.scores["mae"], None, 1)
    assert run(["rank", "--study", "nets"]) == 0
    assert "train + validation" in capsys.readouterr().out
    assert run(["rank", "--study", "nets", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["joined_mean"] == scored.scores["mae"]
    page = render(collect(["nets"], studies))
    assert "none: the test part is sealed" not in page
    assert ">train + validation</td>" in page
    card = export("nets", studies, tmp_path / "model")
    assert card.test is not None
    assert (card.test.trained, card.test.scores["mae"]) == (
        "train + validation",
        scored.scores["mae"],
    )
    readme = (tmp_path / "model" / "README.md").read_text()
    assert "these test scores are of the same config trained on training and validation" in readme


def line(family: str, validation: float | None, test: float | None) -> Contender:
    """A line of a ranking with these scores and no others."""
    held = {} if validation is None else {"r2": Spread(validation, None, 1)}
    given = {} if test is None else {"r2": Spread(test, None, 1)}
    empty: dict[str, Any] = dict.fromkeys(one.name for one in fields(Contender))
    return Contender(**{**empty, "family": family, "validation": held, "test": given})


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_lines_stand_by_validation_then_by_test_then_by_name(direction: Direction) -> None:
    lines = [line("f", None, None), line("e", None, None), line("d", None, 0.5)]
    lines += [line("c", None, 0.7), line("b", 0.1, 0.9), line("a", 0.2, 0.1)]
    wanted = "badcef" if direction == "minimize" else "abcdef"
    found = ordered(lines, "r2", direction)
    assert "".join(one.family for one in found) == wanted
    partly = replace(line("g", None, 0.6), validation={"mae": Spread(0.1, None, 1)})
    key = ResultKey("data", "target", "r2", "split")
    division = Division("data", "split", "repeated:divisions=2", 8, 1, 1)
    found = ordered([*lines, partly], "r2", direction)
    table = RepeatedTable(key, "eV/atom", direction, "data", division, (), 0, tuple(found))
    assert [place for place, _ in table.ranked()] == [1, 2, *[None] * 5]


def test_ensembles_without_a_validation_score_are_told_to_be_chosen_by_test(studies: str) -> None:
    told = "the best by this very score"
    holdout_ensemble(["nets", "forests"], studies, 2, retrain=True)
    assert told not in render(collect(["nets", "forests"], studies)), "there is no other"
    holdout_ensemble(["nets", "forests"], studies, 6, retrain=True)
    (table,) = tables(studies, studies=["nets", "forests"])
    assert len(table.ensembles) == 2
    assert told in render(collect(["nets", "forests"], studies))


def test_over_divisions_what_learned_validation_rows_stands_last_by_test_score(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    holdout("forests", studies, over="repeated:divisions=2", retrain=True)
    holdout("nets", studies, over="repeated:divisions=2", retrain=True)
    (table,) = repeated_tables(studies)
    assert len(table.contenders) == 2
    means = [one.test["mae"].mean for one in table.contenders]
    assert means == sorted(means)
    assert [position for position, _ in table.ranked()] == [None, None]
    told = "none has a validation score"
    assert told in render(collect(["forests", "nets"], studies))

    worst = "nets" if table.contenders[0].studies == ("forests",) else "forests"
    holdout(worst, studies, over="repeated:divisions=2")
    (table,) = repeated_tables(studies)
    assert [position for position, _ in table.ranked()] == [1, None, None]
    assert table.contenders[0].studies == (worst,)
    assert UNVALIDATED in remarks(table)
    assert told not in render(collect(["forests", "nets"], studies))
    assert run(["rank", "--split", table.key.split[:12], "--format", "json"]) == 0
    assert [one["position"] for one in json.loads(capsys.readouterr().out)] == [1, None, None]


def refused(*given: object, **named: object) -> None:
    raise AssertionError(given)


def test_searches_on_each_member_are_compared_with_one_of_a_single_member(studies: str) -> None:
    for member in (0, 1, 2):
        split = f"kfold:k=3,member={member}"
        name = f"fold{member}"
        searched.search(studies, name, "random_forest", [searched.SMALL_FOREST], split=split)
        holdout(name, studies)
    holdout("fold0", studies, over="members", retrain=True, seeds=2)
    (table,) = repeated_tables(studies)
    each, joined = table.contenders
    assert (each.searched, each.trained, each.flattered) == ("each", "as searched", 0)
    assert each.trials == (("fold0", 0), ("fold1", 0), ("fold2", 0))
    assert sum(effort.trials for effort in each.efforts) == 3
    assert (joined.trained, joined.validation, joined.seeds) == ("train + validation", {}, 2)
    assert joined.coverage == {}
    assert joined.by_seed is not None
    assert joined.flattered == 2
    with Store.open(studies) as store:
        looks = [look for look in store.looks() if look.how.trained is Trained.SEARCHED]
    ratio = np.mean([look.rows / look.how.n_train for look in looks])  # the larger of the two
    assert (each.test_to_train, joined.test_to_train) == (
        pytest.approx(ratio),
        pytest.approx(1 / 2, rel=0.05),  # of three folds one tests, and two are trained on
    )
    differences = [each.scores[member] - joined.scores[member] for member in table.members]
    assert each.standing is not None
    assert each.standing.p_next == pytest.approx(corrected_resampled_test(differences, ratio).p)
    assert each.standing.ties
    assert table.members == tuple(each.scores)


def test_an_ensemble_that_was_looked_at_stands_below(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = [holdout_ensemble(["nets", "forests"], studies, 4).scored[0].look for _ in range(2)]
    (table,) = tables(studies, studies=["nets", "forests"])
    (ensemble,) = table.ensembles
    assert ensemble.looks == (looks[1],)
    assert tables(studies, studies=["elsewhere"])[0].ensembles == ()
    words = ["rank", "--study", "nets", "--study", "forests"]
    assert run([*words, "--format", "json"]) == 0
    *entries, row = json.loads(capsys.readouterr().out)
    assert [one["position"] for one in (*entries, row)] == [1, 2, None]
    assert (row["family"], row["picks"]) == ("ensemble", dict(looks[1].how.picks))
    assert set(row["study"].split(", ")) == {name.split(":")[0] for name in row["picks"]}
    assert row["test_mae"] == looks[1].scores["mae"]
    assert row["val_mae"] == looks[1].how.validation["mae"]
    assert {"position", "study", "trial", "data", "split", "seconds"} <= set(row)
    behind = [one for one in entries if one["study"] in row["study"].split(", ")]
    for name in ("trials", "search_seconds", "search_gpu_hours"):
        assert row[name] == pytest.approx(sum(one[name] for one in behind))
    assert run(words) == 0
    out = capsys.readouterr().out
    assert "sealed" in out  # no trial of it alone was scored
    assert ENSEMBLES in out


def test_ensembles_of_each_member_are_a_line(studies: str) -> None:
    for member in (0, 1):
        split = f"kfold:k=2,member={member}"
        for family, config in (
            ("random_forest", searched.SMALL_FOREST),
            ("ridge", {"alpha": 1.0}),
        ):
            searched.search(studies, f"{family}{member}", family, [config], split=split)
        names = [f"random_forest{member}", f"ridge{member}"]
        for size in (1, 5):
            holdout_ensemble(names, studies, size)
    holdout("ridge0", studies, over="members")
    (table,) = repeated_tables(studies)
    assert {one.family for one in table.contenders} == {"ensemble", "ridge"}
    assert all(one.standing and one.standing.ties for one in table.contenders)
    (one,) = (one for one in table.contenders if one.family == "ensemble")
    assert (one.trained, one.searched) == ("ensemble", "each")
    with Store.open(studies) as store:
        looks = [look for look in store.looks() if look.how.trained is Trained.ENSEMBLE]
    best = [min(looks[at : at + 2], key=lambda it: it.how.validation["mae"]) for at in (0, 2)]
    assert one.scores == {look.split: look.value for look in best}
    picked = {name for look in best for name in look.how.picks}
    assert {f"{study}:{number}" for study, number in one.trials} == picked
    assert len(one.efforts) == len({name.split(":")[0] for name in picked})
    assert one.validation["mae"].mean == pytest.approx(
        np.mean([look.how.validation["mae"] for look in best])
    )
