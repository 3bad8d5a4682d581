"""Pictures of report and dashboard: of which rows they are, of which models, and what is said."""

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import searched
from test_pages import ask, number, pages, text
from test_report import Reader, fast, words_of

from fesearch.analysis import ANALYSES, Table
from fesearch.dashboard.pages import Pages
from fesearch.errors import InputError
from fesearch.examined import Examined
from fesearch.export import export
from fesearch.formula import symbols
from fesearch.holdout import holdout
from fesearch.predictions import holdout_folder
from fesearch.report import collect, render, write_figures
from fesearch.report.sections import sections
from fesearch.report.templates import environment
from fesearch.search.folder import identity, model_folder
from fesearch.store.results import Store
from fesearch.subject import StudySubject

__all__ = ["fast", "pages"]  # fixtures

OF_PREDICTIONS = ("parity", "errors", "target_bins", "elements")


def drawn(url: str, kind: str, *names: str) -> list[tuple[str, list[str]]]:
    """The part of each picture, and the studies in it."""
    found, _ = sections(ANALYSES.get(kind), [StudySubject(name, url) for name in names])
    return [
        (one.finding.part, [label.split()[0] for label in one.finding.summary["model"]])
        for one in found
    ]


def no_prediction(patch: pytest.MonkeyPatch) -> None:
    """No model predicts rows of a test part from now on."""
    at = Examined.at

    def never(self: Examined, rows: Any) -> Any:
        assert not set(rows.tolist()) & set(self.split.test.tolist()), "a new look"
        return at(self, rows)

    patch.setattr(Examined, "at", never)


# Which rows


@pytest.mark.parametrize("kind", OF_PREDICTIONS)
def test_before_a_look_pictures_are_of_validation_rows(kind: str, studies: str) -> None:
    assert drawn(studies, kind, "forests", "nets") == [("validation", ["forests", "nets"])]


@pytest.mark.parametrize("kind", OF_PREDICTIONS)
def test_after_a_look_pictures_are_of_the_test_rows_as_it_left_them(
    kind: str, studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdout(["forests", "nets"], studies, best_per_family=True)
    no_prediction(monkeypatch)
    assert drawn(studies, kind, "forests", "nets") == [("test", ["forests", "nets"])]


def test_permutation_asks_a_model_anew_and_so_stays_with_validation(
    studies: str, monkeypatch: pytest.MonkeyPatch, fast: None
) -> None:
    holdout("forests", studies)
    no_prediction(monkeypatch)
    assert drawn(studies, "permutation", "forests") == [("validation", ["forests"])]


def test_where_some_were_looked_at_all_are_compared_on_validation_rows_too(studies: str) -> None:
    holdout("forests", studies)
    both = [("test", ["forests"]), ("validation", ["forests", "nets"])]
    assert drawn(studies, "errors", "forests", "nets") == both


@pytest.mark.parametrize("kind", OF_PREDICTIONS)
def test_a_look_at_a_config_trained_on_both_parts_has_pictures_that_say_so(
    kind: str, studies: str, monkeypatch: pytest.MonkeyPatch, fast: None
) -> None:
    scored = holdout("forests", studies, retrain=True).scored[0]
    no_prediction(monkeypatch)
    assert drawn(studies, kind, "forests") == [("test", ["forests"])]
    [one], _ = sections(ANALYSES.get(kind), [StudySubject("forests", studies)])
    [label] = one.finding.summary["model"]
    assert label == f"forests {scored.trial.number} (random_forest), train + validation"
    if kind == "elements":
        row = StudySubject("forests", studies).examined
        learned = [*row.split.train, *row.split.val]
        counts = Counter(s for at in learned for s in symbols(row.data.reduced[at]))
        table = one.finding.detail
        assert dict(zip(table["element"], table["training_rows"], strict=True)) == {
            symbol: counts[symbol] for symbol in table["element"]
        }
    if kind in ("parity", "errors"):
        assert list(one.finding.summary["mae"]) == pytest.approx([scored.look.scores["mae"]])


def test_its_own_model_stays_sealed_for_what_asks_it_anew(studies: str, fast: None) -> None:
    holdout("forests", studies, retrain=True)
    assert drawn(studies, "permutation", "forests") == [("validation", ["forests"])]
    examined = StudySubject("forests", studies).examined
    assert examined.part("test").label.endswith("train + validation")
    with pytest.raises(InputError, match="nobody has scored trial"):
        examined.asked("test")
    holdout("forests", studies)
    own = StudySubject("forests", studies).examined
    assert own.asked("test").label == own.label


def test_a_look_at_another_model_leaves_validation_rows(studies: str) -> None:
    holdout("forests", studies, seeds=2)
    assert drawn(studies, "parity", "forests") == [("validation", ["forests"])]
    holdout("nets", studies)
    with Store.look(studies) as store:
        best = store.looks_at(store.study("nets"))
    other = StudySubject("nets", studies, trial=1 - next(iter(best)))
    [one] = sections(ANALYSES.get("parity"), [other])[0]
    assert one.finding.part == "validation"


def test_predictions_that_are_lost_are_not_made_again(
    studies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holdout("forests", studies)
    with Store.look(studies) as store:
        row = store.study("forests")
    shutil.rmtree(holdout_folder(identity(row)))
    no_prediction(monkeypatch)
    assert drawn(studies, "parity", "forests") == [("validation", ["forests"])]


def test_a_model_without_weights_is_shown_by_what_its_look_has_left(studies: str) -> None:
    trial = holdout("forests", studies).scored[0].trial
    with Store.look(studies) as store:
        row = store.study("forests")
    shutil.rmtree(model_folder(row, trial.number))
    assert drawn(studies, "parity", "forests") == [("test", ["forests"])]


def test_a_report_says_of_which_rows_each_picture_is(
    studies: str, fast: None, tmp_path: Path
) -> None:
    holdout("forests", studies)
    report = collect(["forests", "nets"], studies)
    said = words_of(report)
    assert "Test rows , with a look on record at this model." in said
    assert "Validation rows ; of the test rows not all of these models have a look" in said
    of = r"MAE [\d.]+ eV/atom, R² \S+ on"
    assert re.search(rf"Parity: forests \d \(random_forest\) {of} test rows\.", said)
    assert re.search(rf"Parity: nets \d \(irnet\) {of} validation rows\.", said)
    assert "fesearch analyse parity STUDY --part test --format csv" in said
    page = Reader(render(report))
    ids = [value for tag in {tag for tag, _ in page.tags} for value in page.attributes(tag, "id")]
    assert len(ids) == len(set(ids))
    names = {path.name for path in write_figures(report, tmp_path / "figures")}
    assert {"parity_test.png", "parity_validation.png", "permutation.png"} <= names


def test_a_page_of_the_dashboard_has_test_rows_after_a_look(pages: Pages, studies: str) -> None:
    place = f"/studies/{number(studies, 'forests')}/pictures/errors"
    assert "90 % of the validation rows are within" in text(pages, place)
    pages.close()
    holdout("forests", studies)
    later = Pages(studies)
    assert "90 % of the test rows are within" in text(later, place)
    later.close()


# Which models


def test_a_model_that_reads_a_sequence_hides_no_importance_of_others(
    pages: Pages, studies: str, fast: None
) -> None:
    config = {"hidden": 4, "highways": 0, "loss": "mae", "optimizer": "adam"}
    config |= {"learning_rate": 0.01, "batch_size": 8}
    searched.search(
        studies, "texts", "rnn", [config], preset="full", features="element_sequence", max_epochs=1
    )
    [place] = {
        one
        for one in re.findall(r'href="(/rankings/[0-9a-f]+)"', ask(pages, "/")[2])
        if "texts" in text(pages, one)
    }
    said = text(pages, f"{place}/pictures/permutation")
    assert "Features: forests" in said
    assert "Features: nets" in said
    assert "Left out: The model of 'texts 0 (rnn)' reads element_sequence" in said
    assert "Analyse a model that reads magpie or element_fractions." in said


# Exported models


@pytest.fixture
def models(studies: str, tmp_path: Path) -> Sequence[str]:
    """One that nobody has looked at, one that somebody has, and the mean of several."""
    names = [str(tmp_path / one) for one in ("sealed", "looked at", "both")]
    export("nets", studies, Path(names[0]))
    holdout("forests", studies)
    export("forests", studies, Path(names[1]))
    searched.search(
        studies, "fractions", "random_forest", [searched.SMALL_FOREST], preset="full",
        features="element_fractions+magpie",
    )  # fmt: skip
    export("nets", studies, Path(names[2]), ensemble=8, others=["fractions"])
    return names


def test_an_exported_model_has_a_section_with_its_card_and_pictures(
    studies: str, models: Sequence[str], fast: None, tmp_path: Path
) -> None:
    report = collect(["forests", *models], studies)
    said = words_of(report)
    for name in models:
        assert f"Exported: {name}" in said
        assert f"Parity: {name}" in said
    one = report.models[1]
    assert one.score[0] == "test"
    assert f"with a test MAE of {one.score[1]:.4g} eV/atom" in said
    assert "sealed: nobody had looked when it was exported" in said
    assert "the mean of 2 models, picked by their validation score" in said
    parts = {m.name: {s.finding.part for s in m.sections} - {""} for m in report.models}
    assert parts == dict(
        zip(models, [{"validation"}, {"test", "validation"}, {"validation"}], strict=True)
    )
    assert f"fesearch report forests {models[0]} '{models[1]}' {models[2]} --to" in said
    page = Reader(render(report))
    assert page.open == []
    ids = [value for tag in {tag for tag, _ in page.tags} for value in page.attributes(tag, "id")]
    assert len(ids) == len(set(ids))
    names = {path.name for path in write_figures(report, tmp_path / "figures")}
    assert {"parity.png", "model1_parity.png", "model3_elements.svg"} <= names


def test_a_report_of_a_model_alone_needs_no_database(
    studies: str, models: Sequence[str], fast: None, tmp_path: Path
) -> None:
    report = collect([models[1]], f"sqlite:///{tmp_path}/none.db")
    said = words_of(report)
    assert said.index("How good is the exported model?") < said.index("Test MAE of random_forest")
    assert "Ranking" not in said
    assert f"fesearch report '{models[1]}' --to report.html" in said


def test_a_model_without_its_data_has_its_card_alone(
    studies: str, models: Sequence[str], fast: None, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "searched" / "artifacts" / "datasets")
    report = collect([models[0]], studies)
    assert report.models[0].sections == ()
    lacks = "There are no pictures: The model was trained on the data alloys"
    said = words_of(report)
    assert lacks in said
    assert said.count("which are not here. Import them: fesearch data import FILE") == 1
    pages = Pages(studies, models=[models[0]])
    said = text(pages, "/models/1")
    assert lacks in said
    assert "Show it" not in said
    pages.close()


def test_a_model_that_was_changed_is_refused(
    studies: str, models: Sequence[str], fast: None
) -> None:
    (Path(models[0]) / "study.toml").write_text("")
    for refused in (lambda: collect(models, studies), lambda: Pages(studies, models=models)):
        with pytest.raises(InputError, match="not what was exported: its checksum differs"):
            refused()
    with pytest.raises(InputError, match=r"The model '.*' is named twice"):
        collect([models[2], models[2]], studies)


def test_a_model_that_is_gone_is_missed_on_its_pages(
    studies: str, models: Sequence[str], fast: None
) -> None:
    pages = Pages(studies, models=models)
    shutil.rmtree(models[0])
    for address in ("/models/1", "/models/1/pictures/parity"):
        status, _, said = ask(pages, address)
        assert status < 500, address
        assert Path(models[0]).name in said
    assert ask(pages, "/models/2")[0] == 200
    pages.close()


def test_what_can_be_drawn_of_each_but_not_of_all_is_missed(studies: str) -> None:
    parity = ANALYSES.get("parity")

    def alone(who: Sequence[Any], settings: Any) -> Any:
        if len(who) > 1:
            raise InputError("They have nothing in common.", "Draw one of them.")
        return parity.find(who, settings)

    both = [StudySubject(name, studies) for name in ("forests", "nets")]
    [missing] = sections(replace(parity, find=alone), both)[1]
    assert (missing.why, missing.hint) == ("They have nothing in common.", "Draw one of them.")


def test_exported_models_have_pages_of_their_own(
    studies: str, models: Sequence[str], fast: None
) -> None:
    pages = Pages(studies, models=models)
    home = ask(pages, "/")[2]
    assert [f'href="/models/{place}"' in home for place in (1, 2, 3, 4)] == [True] * 3 + [False]
    said = text(pages, "/models/2")
    assert "Test MAE of random_forest , exported to" in said
    assert "random_forest, trial" in said
    assert "Training curves" not in said
    parity = text(pages, "/models/2/pictures/parity")
    assert "on test rows" in parity
    assert "on validation rows" in text(pages, "/models/3/pictures/parity")
    assert "<html" not in ask(pages, "/models/2/pictures/parity?part=1")[2]
    for address in ("/models/0", "/models/4", "/models/4/pictures/parity", "/models/1/pictures/x"):
        assert ask(pages, address)[0] == 404
    shutil.rmtree(models[0])
    assert ask(pages, "/models/1")[0] == 404
    pages.close()


def test_an_ensemble_of_trials_of_one_study_links_to_no_trial() -> None:
    macro = environment().get_template("tables.html.jinja").module.rows
    page = macro(Table.of([("nets", 3), ("nets", None)], "study", "trial"), "", {"nets": 7})
    assert page.count('href="/studies/7/trials/') == 1
    assert 'href="/studies/7/trials/3"' in page
