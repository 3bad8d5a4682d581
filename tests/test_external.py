"""A labelled file is asked of the best of several studies, as the test part is."""

import json
from pathlib import Path

import pytest
import searched

from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.external import score_file
from fesearch.intake import Wanted
from fesearch.ranking.rank import tables
from fesearch.search.prepare import prepare_again
from fesearch.store.results import Store

WANTED = Wanted({"h_form": ""}, formula="formula")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("formula,h_form\nMg2Si,-0.2\nNa3P,-0.4\nAlTi,-0.3\n")
    return path


def test_the_best_of_several_studies_is_scored(studies: str, file: Path) -> None:
    best = [entry.trial for entry in tables(studies, studies=["nets", "forests"])[0].entries]
    (one,) = score_file(["nets", "forests"], studies, file, WANTED).scored
    assert (one.study, one.trial.number) == (best[0].study, best[0].number)
    found = score_file(["nets", "forests"], studies, file, WANTED, best_per_family=True)
    assert [one.study for one in found.scored] == [trial.study for trial in best]
    assert found.row.name == best[0].study
    alone = score_file(best[1].study, studies, file, WANTED).scored[0]
    assert found.scored[1].scores == alone.scores


def test_studies_that_do_not_go_together_are_refused(studies: str, file: Path) -> None:
    with pytest.raises(InputError, match="do not share data, target, metric and division"):
        score_file(["nets", "elsewhere"], studies, file, WANTED)


def test_models_of_several_features_read_one_file(studies: str, file: Path) -> None:
    config = [searched.SMALL_FOREST]
    searched.search(studies, "shares", "random_forest", config, features="element_fractions")
    found = score_file(["forests", "shares"], studies, file, WANTED, top=3)
    assert {one.study for one in found.scored} == {"forests", "shares"}
    for one in found.scored[:2]:
        same = score_file(one.study, studies, file, WANTED, top=3).scored
        assert one.scores in [other.scores for other in same]


def test_a_search_over_families_goes_by_its_name(
    studies: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searched.join(studies, "all", ["nets", "forests"])
    words = ["holdout", "all", "--file", str(file), "--best-per-family"]
    assert run([*words, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["study"] for row in rows} == {"nets", "forests"}
    assert run(words) == 0
    assert capsys.readouterr().out.split()[0] == "study"


def test_rows_of_the_test_part_are_no_look_while_a_study_is_driven(
    studies: str, file: Path, tmp_path: Path
) -> None:
    with Store.open(studies) as store:
        prepared = prepare_again(store.study("nets"))
        store.acquire(store.study("nets"))
    file.write_text("formula,h_form\nMg2Si,-0.2\nNa3P,-0.4\n")
    score_file(["nets", "forests"], studies, file, WANTED)  # of other compounds
    sealed = tmp_path / "sealed.csv"
    sealed.write_text(f"formula,h_form\n{prepared.dataset.formulas[prepared.split.test[0]]},-0.2\n")
    with pytest.raises(InputError, match="'nets' is still being searched; a look now would guide"):
        score_file(["nets", "forests"], studies, sealed, WANTED)
    with Store.open(studies) as store:
        assert store.looks() == []
