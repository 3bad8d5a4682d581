"""Models that read structures and own columns: from a study to predictions for a file."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import searched
from toy_sets import install

from fesearch import dataset, library
from fesearch.bundle import Bundle, open_bundle
from fesearch.bundlefiles import CARD, README, checksums
from fesearch.cli.app import run
from fesearch.errors import InputError
from fesearch.export import export
from fesearch.features import Combination
from fesearch.featureset import StructureFeatureSet
from fesearch.handle import StudyHandle
from fesearch.predict import Columns, predict_file
from fesearch.search.prepare import prepare, prepare_again
from fesearch.store.results import Store
from fesearch.structure import Structures, canonical
from fesearch.study import Study

# What becomes of test rows is tested in test_sealed.py.
pytestmark = pytest.mark.filterwarnings("ignore:.*sealed test part")

METALS = ("Al", "Ti", "V", "Cr", "Fe", "Ni", "Cu", "Zr")
PAIRS = list(combinations(METALS, 2))
FORMULAS = [a + b for a, b in PAIRS]
FEATURES = "toy_structures+columns+magpie"


def structure(first: str, second: str, edge: float = 3.0) -> str:
    """The text of a compound of two elements in a cube."""
    atoms = [(first, [0, 0, 0]), (second, [0.5, 0.5, 0.5])]
    sites = [{"abc": at, "species": [{"element": one, "occu": 1}]} for one, at in atoms]
    return canonical({"lattice": {"matrix": np.diag([edge] * 3).tolist()}, "sites": sites})


TEXTS = [structure(a, b, 3 + len(a + b)) for a, b in PAIRS]


def save(name: str, texts: list[str]) -> None:
    """Keep a data set of all pairs."""
    draw = np.random.default_rng(0)
    made = dataset.make(
        name,
        FORMULAS,
        {"h_form": draw.normal(size=len(PAIRS))},
        {"h_form": "eV/atom"},
        numbers={"width": draw.normal(size=len(PAIRS)), "age": np.arange(len(PAIRS))},
        structures=Structures.of(texts),
    )
    library.save(made)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, and in ``model`` what was learnt from them."""
    folder = tmp_path_factory.mktemp("lab")
    url = f"sqlite:///{folder}/fesearch.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESEARCH_STORAGE", url)
        patch.setenv("FESEARCH_ARTIFACTS", str(folder / "artifacts"))
        patch.setenv("FESEARCH_CACHE_DIR", str(folder / "cache"))
        patch.setattr(searched, "DATA", "solids")
        install(patch)
        save("solids", TEXTS)
        keys = {"preset": "full", "features": FEATURES}
        searched.search(url, "solid", "random_forest", [searched.SMALL_FOREST], **keys)
        export("solid", url, folder / "model")
        yield folder


@pytest.fixture
def bundle(lab: Path) -> Bundle:
    return open_bundle(lab / "model")


def write(path: Path, **changes: list[str]) -> Path:
    """A file of the first three compounds, with columns changed or (empty) left out."""
    columns = {
        "formula": FORMULAS[:3],
        "cell": TEXTS[:3],
        "width": ["0.1", "", "-2"],
        "age": ["1", "2", "3"],
    } | changes
    columns = {name: cells for name, cells in columns.items() if cells}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def test_a_model_of_everything_predicts_what_its_trial_did(bundle: Bundle) -> None:
    prepared = prepare(Study(name="s", family="random_forest", data="solids", features=FEATURES))
    data = prepared.dataset
    found = bundle.predict(data.formulas, data.structures, data.numbers)
    np.testing.assert_array_equal(found, bundle.predictors[0][0](prepared.features.matrix))
    assert prepared.features.names[:5] == ("letters", "one", "age", "width", "0-norm")


def test_a_handle_predicts_from_everything_and_test_rows_are_on_record(lab: Path) -> None:
    url = f"sqlite:///{lab}/fesearch.db"
    study = StudyHandle("solid", url)
    with Store.open(url) as store:
        prepared = prepare_again(store.study("solid"))
    data, test = prepared.dataset, prepared.split.test
    with pytest.raises(InputError, match="reads crystal structures, and there are none"):
        study.predict(data.formulas)
    said = f"^{len(test)} of these compounds .* on record as look 1"
    with pytest.warns(UserWarning, match=said) as caught:
        found = study.predict(data.formulas, data.structures, data.numbers)
    assert caught[0].filename == __file__
    assert found.tolist() == (
        study.model().predict(data.formulas, data.structures, data.numbers).tolist()
    )
    with Store.open(url) as store:
        assert [look.rows for look in store.looks()] == [len(test)]


def test_the_card_lists_each_set_with_its_own_columns(lab: Path, bundle: Bundle) -> None:
    said = [(one.name, one.needs, len(one.columns)) for one in bundle.card.features]
    assert said == [
        ("toy_structures", "structure", 2),
        ("columns", "columns", 2),
        ("magpie", "formula", 145),
    ]
    assert bundle.card.columns == ("age", "width")
    readme = (lab / "model" / README).read_text()
    for words in (
        "the chemical formula, the crystal structure, `age` and `width` of a compound.",
        "fesearch predict . --file compounds.csv --formula formula --structure structure --to",
        "| features | `toy_structures`: 2 columns, `columns`: 2 columns, `magpie`: 145 columns |",
    ):
        assert words in readme, words
    assert "predict . Fe2O3" not in readme
    assert "It has seen no structures" not in readme


def test_a_file_with_all_it_reads_is_predicted(
    lab: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, to = write(tmp_path / "in.csv"), tmp_path / "out.csv"
    words = ["--file", str(source), "--structure", "cell", "--to", str(to)]
    assert run(["predict", str(lab / "model"), *words]) == 0
    assert capsys.readouterr().err.endswith(f"\nWrote 3 predictions of h_form to {to}.\n")
    numbers = {"width": np.array([0.1, np.nan, -2]), "age": np.array([1.0, 2, 3])}
    expected = bundle.predict(FORMULAS[:3], Structures.of(TEXTS[:3]), numbers)
    with to.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["prediction"]) for row in rows] == expected.tolist()
    assert [row["cell"] for row in rows] == TEXTS[:3]


def test_cif_files_are_predicted_on_the_command_line(
    lab: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """This model reads a column too, which no CIF file has; the message comes behind structures."""
    from pymatgen.core.structure import Structure

    (tmp_path / "a.cif").write_text(Structure.from_dict(json.loads(TEXTS[0])).to(fmt="cif"))
    assert run(["predict", str(lab / "model"), str(tmp_path / "a.cif")]) == 2
    assert capsys.readouterr().err.startswith("The model reads the column 'age' too")


def test_structures_may_be_files(bundle: Bundle, tmp_path: Path) -> None:
    from pymatgen.core.structure import Structure

    for place, text in enumerate(TEXTS[:3]):
        cif = Structure.from_dict(json.loads(text)).to(fmt="cif")
        (tmp_path / f"{place}.cif").write_text(cif)
    source = write(tmp_path / "in.csv", cell=["0.cif", "1.cif", "2.cif"])
    done = predict_file(bundle, source, tmp_path / "out.csv", Columns(structure="cell"))
    assert done.rows == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age": []}, "{} has no column 'age'."),
        ({"cell": []}, "{} has no column 'cell'."),
        (
            {"cell": [TEXTS[0], "", "x.cif"], "age": ["1", "2", "old"]},
            "2 of 3 rows of {} cannot be predicted: line 3: no structure; line 4: The structure "
            "cannot be used: ",
        ),
        (
            {"age": ["1", "2", "old"]},
            "1 of 3 rows of {} cannot be predicted: line 4: age 'old' is not a number.",
        ),
        (
            {"cell": [TEXTS[1], *TEXTS[1:3]]},
            "1 of 3 rows of {} cannot be predicted: line 2: 'AlTi' has a structure of 'AlV'.",
        ),
    ],
)
def test_a_file_that_lacks_something_is_refused_and_nothing_written(
    bundle: Bundle, tmp_path: Path, changes: dict[str, list[str]], message: str
) -> None:
    source = write(tmp_path / "in.csv", **changes)
    with pytest.raises(InputError) as caught:
        predict_file(bundle, source, tmp_path / "out.csv", Columns(structure="cell"))
    assert caught.value.message.startswith(message.format(source))
    assert not (tmp_path / "out.csv").exists()


def test_structures_that_fail_are_named_and_nothing_written(bundle: Bundle, tmp_path: Path) -> None:
    failing = np.full((3, 2), np.nan), {1: "took longer than 60 s"}
    toy, *others = bundle.sets.terms
    assert isinstance(toy, StructureFeatureSet)
    slow = replace(toy, structure_rows=lambda texts, progress: failing)
    broken = replace(bundle, sets=Combination((slow, *others)))
    source = write(tmp_path / "in.csv")
    with pytest.raises(InputError) as caught:
        predict_file(broken, source, tmp_path / "out.csv", Columns(structure="cell"))
    assert caught.value.message == (
        f"1 of 3 rows of {source} cannot be predicted: line 3: took longer than 60 s."
    )
    assert not (tmp_path / "out.csv").exists()


NO_STRUCTURES = (
    "The model reads crystal structures, and there are none.\n"
    "Give CIF files, or a file with a column of structures: --file in.csv --structure COL "
    "--to out.csv\n"
)


def test_what_only_a_file_can_say_is_asked_for(
    lab: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.csv")
    for words in (["AlTi"], ["--file", str(source), "--to", str(tmp_path / "out.csv")]):
        assert run(["predict", str(lab / "model"), *words]) == 2
        assert capsys.readouterr() == ("", NO_STRUCTURES)
    with pytest.raises(InputError) as caught:
        bundle.predict(FORMULAS[:1], Structures.of(TEXTS[:1]), {"age": np.ones(1)})
    assert str(caught.value) == (
        "The model reads the column 'width' too, not formulas alone.\n"
        "Give a file that has this column: --file in.csv --to out.csv"
    )


def test_a_forged_list_of_columns_is_refused(lab: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(lab / "model", tmp_path / "forged"))
    card = json.loads((folder / CARD).read_text())
    card["members"][0]["features"][1]["columns"] = ["age", "weight"]
    (folder / CARD).write_text(json.dumps(card))
    (folder / "SHA256SUMS").write_text(checksums(folder))
    with pytest.raises(InputError, match="The model reads the features 'columns' "):
        open_bundle(folder)


# A study whose features lack rows


def lacking(name: str, *empty: int) -> Study:
    """A study on data in which some pairs have no structure."""
    save(name, [text if row not in empty else "" for row, text in enumerate(TEXTS)])
    return Study(name="s", family="random_forest", data=name, features="toy_structures")


@pytest.mark.usefixtures("lab")
def test_a_study_on_rows_without_features_is_refused_with_what_to_type() -> None:
    study = lacking("gaps", 0, 1, 2, 3, 4)
    with pytest.raises(InputError) as caught:
        prepare(study)
    message, hint = str(caught.value).split("\n")
    assert message == (
        "5 of the 28 rows of the division lack the features 'toy_structures': AlCr (no "
        "structure); AlFe (no structure); AlNi (no structure); and 2 more."
    )
    told = hint.removeprefix("Divide the rows that have them: --split ")
    assert told.endswith("rows=toy_structures")
    prepared = prepare(study.model_copy(update={"split": told}))
    used = [prepared.split.train, prepared.split.val, prepared.split.test]
    assert sum(map(len, used)) == 23
    assert not set(np.concatenate(used).tolist()) & prepared.features.lacking.keys()


@pytest.mark.usefixtures("lab")
def test_rows_that_the_division_leaves_out_may_lack_features() -> None:
    study = lacking("few", 0)
    whole = study.model_copy(update={"features": "magpie"})
    assert len(prepare(whole).split.train) > 0
    restricted = study.model_copy(update={"split": "random:rows=toy_structures"})
    features = prepare(restricted).features
    assert list(features.lacking.values()) == ["no structure"]
