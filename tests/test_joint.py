"""An ensemble at the test part, and what prediction intervals cover of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import searched

from fesearch.bundle import open_bundle
from fesearch.bundlefiles import README
from fesearch.cli.app import run
from fesearch.errors import FesearchError, InputError
from fesearch.export import export
from fesearch.holdout import holdout
from fesearch.joint import holdout_ensemble
from fesearch.metrics import METRICS
from fesearch.predictions import kept
from fesearch.search.folder import identity
from fesearch.search.prepare import prepare_again
from fesearch.statistics import bootstrap_intervals
from fesearch.store.how import How, Searched, Trained
from fesearch.store.results import Store


def test_an_ensemble_takes_one_look_and_is_the_one_that_is_exported(
    studies: str, tmp_path: Path
) -> None:
    found = holdout_ensemble(["nets", "forests"], studies, 4)
    (scored,) = found.scored
    look = scored.look
    assert (look.how.trained, look.sequence, found.new) == (Trained.ENSEMBLE, 1, 1)
    card = export("forests", studies, tmp_path / "model", ensemble=4, others=["nets"])
    assert look.how.picks == {
        f"{one.trained.study}:{one.trained.trial}": one.picks for one in card.members
    }
    assert len(look.how.picks) > 1
    with Store.open(studies) as store:
        assert store.looks() == [look]
        assert store.looks_at(store.study(look.study)) == {}  # no trial of it alone was scored
        prepared = prepare_again(store.study(look.study))
        row = store.study(look.study)
    rows = prepared.split.test
    bundle = open_bundle(tmp_path / "model")
    answer = bundle.answer([prepared.dataset.formulas[place] for place in rows])
    y = prepared.dataset.target("h_form")[rows]
    assert look.scores["mae"] == pytest.approx(METRICS["mae"](y, answer.value))
    assert look.how.validation["mae"] == pytest.approx(card.validation.value)
    stored = kept(identity(row), look.how.predictions)
    assert stored is not None
    np.testing.assert_allclose(stored.predicted, answer.value, rtol=1e-12)
    assert bundle.calibration is not None
    said = bundle.calibration.coverage(0.8, y, answer.value, answer.spread)
    assert look.how.coverage["0.8"] == pytest.approx((said.covered, said.width))
    assert card.test is not None
    assert card.test.scores == look.scores
    assert card.test.intervals["mae"] == look.how.interval
    expected = bootstrap_intervals(stored.truth, stored.predicted, stored.groups)
    for name, interval in expected.items():
        assert card.test.intervals[name] == pytest.approx(interval)
    assert card.test.coverage == look.how.coverage
    readme = (tmp_path / "model" / README).read_text()
    assert f"- prediction intervals of 80% cover {said.covered:.1%} of the test rows, ±" in readme
    low, high = card.test.intervals["p90"]
    assert f" eV/atom (95 % interval {low:.4g} to {high:.4g})\n" in readme
    other = export("nets", studies, tmp_path / "other", ensemble=1)
    assert other.test is None  # others picks, no look


def test_an_ensemble_over_members_is_the_mean_of_its_configs_trained_on_each(studies: str) -> None:
    found = holdout_ensemble(["nets", "forests"], studies, 4, over="kfold:k=2")
    looks = [one.look for one in found.scored]
    picks = looks[0].how.picks
    assert len(picks) > 1
    assert (found.earlier, found.new) == (0, 2 * (len(picks) + 1))  # each config, and their mean
    with Store.open(studies) as store:
        rows = {row.name: row for row in store.named(["nets", "forests"])}
        every = [look for row in rows.values() for look in store.looks_of(row)]
    for look in looks:
        assert look.how.trained is Trained.ENSEMBLE_AGAIN
        assert look.how.searched is Searched.ELSEWHERE
        mean, held = 0.0, 0.0
        for (study, trial), count in zip(look.how.trials, picks.values(), strict=True):
            (single,) = (
                one
                for one in every
                if (one.study, one.trial, one.split) == (study, trial, look.split)
                and one.how.trained is Trained.AGAIN
            )
            folder = identity(rows[study])
            part, validation = kept(folder, single.how.predictions), kept(folder, single.how.held)
            assert part is not None
            assert validation is not None
            assert single.how.validation["mae"] == pytest.approx(validation.errors.mean())
            mean, held = mean + count * part.predicted, held + count * validation.predicted
        total = sum(picks.values())
        assert look.scores["mae"] == pytest.approx(np.abs(mean / total - part.truth).mean())
        assert look.how.validation["mae"] == pytest.approx(
            np.abs(held / total - validation.truth).mean()
        )
        assert "0.5" in look.how.coverage
    again = holdout_ensemble(["nets", "forests"], studies, 4, over="kfold:k=2")
    assert [one.look.scores for one in again.scored] == [look.scores for look in looks]
    assert again.new == 2  # the configs are not trained again


@pytest.mark.parametrize("over", [None, "kfold:k=2"])
def test_an_ensemble_is_trained_on_validation_rows_too(studies: str, over: str | None) -> None:
    found = holdout_ensemble(["nets", "forests"], studies, 4, retrain=True, over=over)
    assert len(found.scored) == (2 if over else 1)
    with Store.open(studies) as store:
        every = [look for row in store.named(["nets", "forests"]) for look in store.looks_of(row)]
        rows = {row.name: row for row in store.named(["nets", "forests"])}
    for scored in found.scored:
        look, mean = scored.look, 0.0
        assert look.how.trained is Trained.ENSEMBLE_JOINED
        assert (look.how.validation, look.how.coverage, look.how.seed) == ({}, {}, None)
        for (study, trial), count in zip(look.how.trials, look.how.picks.values(), strict=True):
            (single,) = (
                one
                for one in every
                if (one.study, one.trial, one.split) == (study, trial, look.split)
                and one.how.trained is Trained.JOINED
            )
            assert single.how.n_train == look.how.n_train
            part = kept(identity(rows[study]), single.how.predictions)
            assert part is not None
            mean = mean + count * part.predicted
        total = sum(look.how.picks.values())
        assert look.scores["mae"] == pytest.approx(np.abs(mean / total - part.truth).mean())


def test_an_ensemble_over_members_is_a_line_of_their_ranking(
    studies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["holdout", "nets", "forests", "--ensemble", "4", "--over", "kfold:k=2"]
    assert run(words) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split()[:2] == ["study", "picks"] or "picks" in out
    assert "searched: elsewhere" in err
    assert run(["rank", "--format", "json"]) == 0
    lines = [line for line in json.loads(capsys.readouterr().out) if line["repeated"]]
    (line,) = (line for line in lines if line["family"] == "ensemble")
    assert line["trained"] == "ensemble, trained again"
    assert line["test_mae"] > 0
    assert {one["trained"] for one in lines} == {"ensemble, trained again", "trained again"}


def test_the_command_for_ensembles(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["holdout", "nets", "forests"]
    assert run([*words, "--ensemble", "4", "--seeds", "2"]) == 2
    assert capsys.readouterr().err.startswith("--ensemble scores one mean of models")
    assert run([*words, "--ensemble", "4", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["family"], row["trained"], row["look"]) == ("ensemble", "ensemble", 1)
    assert set(row["coverage"]) == {"0.5", "0.8"}
    assert run([*words, "--ensemble", "4"]) == 0
    out, err = capsys.readouterr()
    assert "picks" in out.splitlines()[0]
    assert "On record as look 2 at this test part" in err


def test_coverage_is_stored_and_shown(studies: str, capsys: pytest.CaptureFixture[str]) -> None:
    (scored,) = holdout("forests", studies).scored
    again, _ = (one.look for one in holdout("forests", studies, seeds=2).scored)
    assert set(scored.look.how.coverage) == {"0.5", "0.8"}
    assert again.how.coverage == scored.look.how.coverage
    assert all(0 <= share <= 1 for share, _ in again.how.coverage.values())
    joined = holdout("forests", studies, retrain=True).scored[0].look
    assert joined.how.coverage == {}  # its validation rows were trained on
    capsys.readouterr()
    assert run(["rank", "--study", "forests", "--format", "json"]) == 0
    row, seeds, both = json.loads(capsys.readouterr().out)
    assert row["test_coverage"]["0.8"] == list(scored.look.how.coverage["0.8"])
    assert seeds["test_coverage"].keys() == row["test_coverage"].keys()
    assert both["test_coverage"] == {}


def test_studies_that_do_not_go_together_take_no_look(studies: str) -> None:
    with pytest.raises(InputError, match="do not share data, target, metric and division"):
        holdout_ensemble(["nets", "elsewhere"], studies, 4)
    with Store.open(studies) as store:
        store.acquire(store.study("forests"))
    with pytest.raises(InputError, match="The study 'forests' is still being searched"):
        holdout_ensemble(["nets", "forests"], studies, 4)
    config = searched.SMALL_FOREST
    searched.search(studies, "all", "random_forest", [config], split="random:fractions=9:1:0")
    with pytest.raises(FesearchError, match="has no test rows"):
        holdout_ensemble(["all"], studies, 4)
    with Store.open(studies) as store:
        assert store.looks() == []


def test_hostile_coverage_and_picks_are_as_if_they_were_not_there() -> None:
    how = How(coverage={"0.9": (0.88, 0.2)}, picks={"nets:1": 3})
    assert How.of(json.loads(json.dumps(how.plain()))) == how
    assert How.of({"coverage": 3, "picks": [1]}) == How()
    assert How.of({"coverage": {"0.9": ["x", 1]}, "picks": {"a:1": True}}) == How()
