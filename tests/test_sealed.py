"""Compounds of a sealed test part: an exported model knows them, and predictions are on record."""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import searched

from fesearch.bundle import open_bundle
from fesearch.bundlefiles import CARD, SEALED, SUMS, checksums
from fesearch.card import read_card
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.formula import reduced
from fesearch.glance import put_on_record
from fesearch.handle import StudyHandle
from fesearch.holdout import holdout
from fesearch.predict import predict_file
from fesearch.sealed import Met, Sealed, met_in
from fesearch.search.prepare import prepare_again
from fesearch.store.how import Trained
from fesearch.store.results import Store


@pytest.fixture
def model(studies: str, tmp_path: Path) -> Path:
    export("forests", studies, tmp_path / "model")
    return tmp_path / "model"


def parts(url: str) -> tuple[list[str], list[str]]:
    """Formulas of the training part, and of the test part."""
    with Store.open(url) as store:
        prepared = prepare_again(store.study("forests"))
    split, formulas = prepared.split, prepared.dataset.formulas
    return [formulas[row] for row in split.train], [formulas[row] for row in split.test]


def test_a_formula_is_known_by_its_hash() -> None:
    sealed = Sealed.of(["AlTi", "NaCl", "AlTi"])
    assert len(sealed.hashes) == 2
    assert sealed.met(["AlTi", "FeO", "AlTi", "NaCl"]).rows == 3
    assert sealed.met([]).rows == 0
    again = Sealed.from_arrays(sealed.arrays(), formulas=2)
    assert again.met(["NaCl"]).rows == 1
    first = hashlib.sha256(b"AlTi").hexdigest()[:16]
    assert Sealed.of(["AlTi"]).hashes.tolist() == [int(first, 16)]  # on every platform


@pytest.mark.parametrize(
    ("hashes", "message"),
    [
        (np.array([2, 1], np.uint64), "The hashes of the test formulas are not ascending."),
        (np.array([1, 1], np.uint64), "The hashes of the test formulas are not ascending."),
        (np.array([1], np.uint64), "The array 'hashes' of the test formulas is"),
        (np.array([1, 2], np.int64), "The array 'hashes' of the test formulas is"),
    ],
)
def test_forged_hashes_are_refused(hashes: np.ndarray, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Sealed.from_arrays({"hashes": hashes}, formulas=2)
    assert caught.value.message.startswith(message)


def test_the_bundle_knows_the_test_formulas_and_no_others(studies: str, model: Path) -> None:
    train, test = parts(studies)
    bundle = open_bundle(model)
    assert bundle.card.split.sealed == len(test)
    assert met_in(bundle.sealed, map(reduced, test)).rows == len(test)
    assert met_in(bundle.sealed, map(reduced, train)).rows == 0
    for text in test:
        assert text.encode() not in (model / SEALED).read_bytes()


def test_a_refit_has_learned_them_and_nothing_is_sealed(studies: str, tmp_path: Path) -> None:
    card = export("forests", studies, tmp_path / "refit", refit=True)
    assert card.split.sealed is None
    assert open_bundle(tmp_path / "refit").sealed is None
    assert not (tmp_path / "refit" / SEALED).exists()


@pytest.mark.parametrize("refit", [False, True])
def test_a_search_outside_of_several_test_parts_leaves_all_of_them_sealed(
    studies: str, tmp_path: Path, refit: bool
) -> None:
    split = "repeated:divisions=2,member=outside"
    searched.search(studies, "out", "random_forest", [searched.SMALL_FOREST], split=split)
    with Store.open(studies) as store:
        prepared = prepare_again(store.study("out"))
    assert prepared.repeated is not None
    tested = {int(row) for member in prepared.repeated.members for row in member.test}
    assert len(tested) > len(prepared.repeated.members[0].test)
    card = export("out", studies, tmp_path / "model", refit=refit)
    assert card.split.sealed == len(tested)
    formulas = [prepared.dataset.formulas[row] for row in sorted(tested)]
    assert run(["predict", str(tmp_path / "model"), *formulas, "NaCl"]) == 0
    with Store.open(studies) as store:
        (look,) = store.looks()
        assert look == store.looks(store.study("out").key)[0]
    assert (look.rows, look.how.trained) == (len(tested), Trained.PREDICTED)


def test_predictions_of_test_rows_are_said_and_on_record(
    studies: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = parts(studies)
    assert run(["predict", str(model), *train[:2]]) == 0
    assert "sealed test part" not in capsys.readouterr().err
    assert run(["predict", str(model), train[0], *test[:2]]) == 0
    said = capsys.readouterr().err
    card = read_card(model / CARD)
    assert said == (
        "2 of these compounds have formulas of the model's sealed test part "
        f"({card.split.fingerprint[:12]}): on record as look 1 at it, without a score.\n"
    )
    with Store.open(studies) as store:
        (look,) = store.looks(store.study("forests").key)
    assert (look.how.trained, look.value, dict(look.scores)) == (Trained.PREDICTED, None, {})
    assert (look.study, look.trial, look.rows) == ("forests", card.trained.trial, 2)
    assert not look.as_searched
    assert run(["rank", "--study", "forests", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["test_mae"] is None
    searched.search(studies, "later", "random_forest", [searched.SMALL_FOREST])
    with Store.open(studies) as store:
        assert [trial.after_look for trial in store.trials(store.study("later"))] == [False]
    assert holdout("forests", studies).scored[0].look.sequence == 2


def test_all_that_one_model_predicts_is_one_look(
    studies: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = [reduced(text) for text in parts(studies)[1]]
    bundle = open_bundle(model)
    assert bundle.sealed is not None
    asked = [test[:2], test[1:2], test[:2] * 2, test[2:4], test[:4], test[3:5]]
    looks = [put_on_record(bundle.card, bundle.sealed.met(names), studies).look for names in asked]
    found = [(look.sequence, look.rows, look.how.calls) for look in looks if look]
    assert found == [(1, 2, 1), (1, 2, 2), (1, 2, 3), (1, 4, 4), (1, 4, 5), (1, 5, 6)]
    other = bundle.card.model_copy(
        update={
            "members": (
                bundle.card.members[0].model_copy(
                    update={"trained": bundle.card.trained.model_copy(update={"trial": 9})}
                ),
            )
        }
    )
    again = put_on_record(other, bundle.sealed.met(test[:1]), studies).look
    assert again is not None
    assert (again.sequence, again.trial, again.rows) == (2, 9, 1)
    with Store.open(studies) as store:
        first, second = store.looks()
    assert (first, second) == (looks[-1], again)
    assert looks[0] is not None
    assert first.looked_at == looks[0].looked_at
    assert run(["predict", str(model), parts(studies)[1][0]]) == 0
    assert (
        "look 1 at it, without a score (5 formulas in 7 calls so far)." in capsys.readouterr().err
    )
    assert run(["rank", "--study", "forests"]) == 0
    said = "look 1    trial 0 of forests predicted 5 formulas in 7 calls, without a score\n"
    assert said in capsys.readouterr().out


def test_a_look_of_a_kind_from_a_later_version_is_left_as_it_is(studies: str, model: Path) -> None:
    bundle = open_bundle(model)
    assert bundle.sealed is not None
    met = bundle.sealed.met(map(reduced, parts(studies)[1]))
    put_on_record(bundle.card, met, studies)
    file = studies.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("""UPDATE fesearch_looks SET how = '{"trained": "in a dream"}'""")
    look = put_on_record(bundle.card, met, studies).look
    assert look is not None
    assert look.sequence == 2


def test_who_was_met_is_counted_and_told_apart() -> None:
    sealed = Sealed.of(["AlTi", "NaCl", "FeO"])
    one, other = sealed.met(["AlTi", "AlTi", "CaO"]), sealed.met(["NaCl"])
    assert (one.rows, other.rows) == (2, 1)
    assert (one.asked.bit_count(), one.asked & other.asked) == (1, 0)
    assert one | other == Met(3, one.asked | other.asked)
    assert not sealed.met(["CaO"])
    assert Sealed.of([]).met(["CaO"]) == Met()


def test_predictions_from_python_are_on_record_too(studies: str) -> None:
    train, test = parts(studies)
    study = StudyHandle("forests", studies)
    assert len(study.predict(train[:2])) == 2  # in silence
    with pytest.warns(UserWarning, match="^2 of these compounds .* on record as look 1") as caught:
        assert len(study.predict([train[0], *test[:2]])) == 3
    assert caught[0].filename == __file__
    with Store.open(studies) as store:
        (look,) = store.looks()
    assert (look.study, look.rows, look.how.trained) == ("forests", 2, Trained.PREDICTED)


def test_a_bundle_in_python_warns_unless_it_is_told_whom_to_tell(studies: str, model: Path) -> None:
    train, test = parts(studies)
    bundle = open_bundle(model)
    with pytest.warns(UserWarning, match="^2 of these .* not on record, see meet=") as caught:
        found = bundle.predict([train[0], *test[:2]])
    assert caught[0].filename == __file__
    met: list[Met] = []
    assert bundle.predict([train[0], *test[:2]], meet=met.append).tolist() == found.tolist()
    assert bundle.predict(train[:3], meet=met.append).shape == (3,)
    assert [one.rows for one in met] == [2]


def test_rows_of_a_file_are_counted_before_it_is_there(
    studies: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = parts(studies)
    source, to = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("formula\n" + "\n".join([*train[:3], *test[:3]]) + "\n")
    assert run(["predict", str(model), "--file", str(source), "--to", str(to)]) == 0
    assert "3 of these compounds have formulas" in capsys.readouterr().err
    assert len(to.read_text().splitlines()) == 7
    with Store.open(studies) as store:
        assert [look.rows for look in store.looks()] == [3]


def test_rows_of_a_file_are_warned_about_in_python(
    studies: str, model: Path, tmp_path: Path
) -> None:
    train, test = parts(studies)
    bundle, source = open_bundle(model), tmp_path / "in.csv"
    source.write_text("formula\n" + "\n".join([train[0], *test[:3]]) + "\n")
    with pytest.warns(UserWarning, match="^3 of these .* not on record, see meet=") as caught:
        predict_file(bundle, source, tmp_path / "out.csv")
    assert caught[0].filename == __file__
    met = []
    predict_file(bundle, source, tmp_path / "again.csv", meet=met.append)  # in silence
    assert [one.rows for one in met] == [3]


def test_without_the_database_it_is_said(
    studies: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = parts(studies)[1]
    there = f"sqlite:///{tmp_path}/none.db"
    assert run(["predict", str(model), test[0], "--storage", there]) == 0
    out, err = capsys.readouterr()
    assert test[0] in out
    assert "1 of these compounds has a formula of the model's sealed test part" in err
    assert f"no database of its study (There is no database '{tmp_path}/none.db')." in err
    assert not (tmp_path / "none.db").exists()
    Store.open(there).close()
    assert run(["predict", str(model), test[0], "--storage", there]) == 0
    assert f"('{tmp_path}/none.db' does not know its division)." in capsys.readouterr().err


def test_a_file_of_hashes_is_what_the_card_speaks_of(model: Path) -> None:
    card = read_card(model / CARD)
    assert card.split.sealed is not None
    wrong = card.split.model_copy(update={"sealed": card.split.sealed + 1})
    (model / CARD).write_text(card.model_copy(update={"split": wrong}).model_dump_json())
    (model / SUMS).write_text(checksums(model))
    with pytest.raises(InputError, match="The array 'hashes' of the test formulas is"):
        open_bundle(model)
    none = card.split.model_copy(update={"sealed": None})
    (model / CARD).write_text(card.model_copy(update={"split": none}).model_dump_json())
    (model / SUMS).write_text(checksums(model))
    with pytest.raises(InputError, match=r"sealed.safetensors is not one that fesearch.json"):
        open_bundle(model)


def test_a_model_of_an_older_version_has_none(studies: str, model: Path) -> None:
    bundle = replace(open_bundle(model), sealed=None)
    assert len(bundle.predict([parts(studies)[1][0]])) == 1  # in silence
