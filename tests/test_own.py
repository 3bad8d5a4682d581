"""Families, metrics and feature sets of the user's own: run when named, and called by their hash.

Whole studies with them are in ``test_own_studies.py``.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from own_files import LENGTHS, RIDGES, WORST, forget, full, write

from fesearch.cli.app import run as command
from fesearch.errors import InputError
from fesearch.family import FAMILIES
from fesearch.features import Combination
from fesearch.featureset import FEATURE_SETS, Inputs
from fesearch.metrics import metric_named, title_of
from fesearch.own import DIGITS, Source, features_in_full, mentioned, run_files
from fesearch.study import Study
from fesearch.studyfile import load


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)


def refused(path: Path) -> InputError:
    """The error that a file is refused with."""
    with pytest.raises(InputError) as caught:
        run_files([path])
    for line in (caught.value.message, caught.value.hint):
        assert line.strip()
        assert "\n" not in line
    return caught.value


def test_a_name_has_the_hash_of_its_file(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.py", RIDGES)
    [declared] = run_files([path])
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert declared.family is not None
    assert declared.family.name == f"ridges@{digits}"
    assert FAMILIES.get(f"ridges@{digits}") is FAMILIES.get("ridges") is declared.family
    assert f"ridges@{digits}" in FAMILIES.names()


def test_two_versions_stand_side_by_side_and_the_name_alone_is_the_one_given_last(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "mine.py", RIDGES)
    first = full("ridges", path)
    run_files([path])
    write(tmp_path, "mine.py", RIDGES, "# changed\n")
    second = full("ridges", path)
    run_files([path])
    assert FAMILIES.get(first) is not FAMILIES.get(second)
    assert FAMILIES.full_name("ridges") == second
    write(tmp_path, "mine.py", RIDGES)
    run_files([path])
    assert FAMILIES.full_name("ridges") == first


def test_a_file_is_run_once_in_a_process_and_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "log"
    note = f"with open({str(log)!r}, 'a') as log: log.write('run ')\n"
    path = write(tmp_path, "mine.py", RIDGES, note)
    run_files([path, path])
    run_files([path])
    assert log.read_text() == "run "
    assert caplog.messages == [f"Running the code of {path}, sha256 {full('', path)[1:]}."]


def test_what_a_file_prints_does_not_mix_with_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "mine.py", "print('hello')\n", RIDGES)
    assert command(["families", "list", "--family-file", str(path), "--format", "json"]) == 0
    done = capsys.readouterr()
    assert full("ridges", path) in {one["name"] for one in json.loads(done.out)}
    assert "hello\n" in done.err


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"\xef\xbb\xbf" + RIDGES.encode())
    [declared] = run_files([path])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert declared.family is not None
    assert declared.family.name == f"ridges@{digest[:DIGITS]}"


def test_a_file_does_not_see_those_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "beside.py", "raise SystemExit")
    path = write(tmp_path, "mine.py", "import beside\n")
    assert "ModuleNotFoundError: No module named 'beside'" in refused(path).message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\nx = (\n", "fails in line 2: SyntaxError: '(' was never closed"),
        ("\n\nx = 1 / 0\n", "fails in line 3: ZeroDivisionError: division by zero"),
        ("def f():\n    return [][0]\nf()\n", "fails in line 2: IndexError: list index out of"),
        ("import sys\nsys.exit('enough')\n", "fails in line 2: SystemExit: enough"),
        ("x = 1\n", "declares no FAMILY, METRIC or FEATURE_SET."),
        ("FAMILY = {}\n", "is a dict, not a Family."),
        ("METRIC = None\n", "is a NoneType, not a Metric."),
        ("FEATURE_SET = 3\n", "is a int, not a FeatureSet."),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = write(tmp_path, "mine.py", text)
    error = refused(path)
    assert f"'{path}'" in error.message
    assert reason in error.message
    assert not [name for name in FAMILIES.names() if "@" in name]


def test_a_file_that_fails_is_run_again_when_mended(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.py", "x = (\n")
    refused(path)
    assert f"fesearch_own_{Source.read(path).sha256}" not in sys.modules
    write(tmp_path, "mine.py", RIDGES)
    run_files([path])


@pytest.mark.parametrize("name", ["irnet", "my net", "a@b", ""])
def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path, name: str) -> None:
    error = refused(write(tmp_path, "mine.py", RIDGES.replace('"ridges"', repr(name))))
    taken = "There is a family 'irnet' already, which is none of your own."
    assert error.message == (taken if name == "irnet" else f"A family cannot be called {name!r}.")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    assert refused(path).message.endswith("cannot be read: No such file or directory.")
    path.write_bytes(b"\xff\xfe")
    assert "cannot be read: 'utf-8' codec" in refused(path).message
    path.write_bytes(b"#" * 1_000_001)
    assert "cannot be read: it has 1000001 bytes" in refused(path).message


def test_code_that_is_not_given_is_asked_for_by_hash(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        FAMILIES.get("ridges@0123456789ab")
    assert (
        caught.value.message == "The family 'ridges@0123456789ab' is of a file that is not given."
    )
    assert caught.value.hint == (
        "Give the Python file whose sha256 begins with 0123456789ab: --family-file FILE.py"
    )
    path = write(tmp_path, "mine.py", RIDGES)
    run_files([path])
    with pytest.raises(InputError) as caught:
        FAMILIES.get("ridges@0123456789ab")
    assert caught.value.message == (
        "The family 'ridges@0123456789ab' is wanted, but the file given declares "
        f"'{full('ridges', path)}': its code is another."
    )


def test_a_metric_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.py", WORST)
    run_files([path])
    metric = metric_named("worst")
    assert metric.name == full("worst", path)
    assert metric(np.array([0.0, 1.0]), np.array([0.5, -1.0])) == 2.0
    assert title_of(metric.name) == metric.name  # it is printed where its code is not run
    assert title_of("mae") == "MAE"


def test_a_feature_set_of_ones_own_keeps_its_hash_with_options(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.py", LENGTHS)
    run_files([path])
    name = full("lengths", path)
    assert features_in_full("magpie + lengths:power=2+columns") == f"magpie+{name}:power=2+columns"
    plain, squared = (Combination.parse(text) for text in (name, "lengths:power=2"))
    assert (plain.name, squared.name) == (name, f"{name}:power=2")
    found = squared.compute(Inputs.of_formulas(["NiTi", "Fe2O3"]))
    assert found.matrix.tolist() == [[16.0, 4.0], [25.0, 4.0]]
    write(tmp_path, "mine.py", LENGTHS, "# changed\n")
    run_files([path])
    assert FEATURE_SETS.get("lengths").digest() != plain.digest


def test_the_files_that_names_mention(tmp_path: Path) -> None:
    one, other = write(tmp_path, "a.py", RIDGES), write(tmp_path, "b.py", WORST)
    run_files([one, other])
    assert [source.path for source in mentioned(full("worst", other))] == [other]
    assert mentioned("irnet", "a@b") == ()


def test_a_study_says_all_names_in_full(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.py", RIDGES, WORST, LENGTHS)
    digits = Source.read(path).digits
    study = load(
        str(path), {"metric": "worst", "features": "lengths", "split": "random:rows=lengths"}
    )
    assert (study.name, study.family) == ("ridges", f"ridges@{digits}")
    assert (study.metric, study.features) == (f"worst@{digits}", f"lengths@{digits}")
    assert study.split_spec().rows == f"lengths@{digits}"
    assert study.own == [str(path)]
    assert [source.path for source in study.own_sources()] == [path]
    assert load("ridges", {"own": [str(path)]}).own_sources() == study.own_sources()


def test_the_features_a_family_is_meant_for_may_be_of_its_own_file(tmp_path: Path) -> None:
    family = RIDGES.replace('title="Mine"', 'features="lengths"')
    path = write(tmp_path, "mine.py", family, LENGTHS)
    assert load(str(path)).resolved("y").features == full("lengths", path)


def test_a_study_without_files_of_ones_own_says_what_it_said() -> None:
    study = Study(name="a", family="irnet", features="magpie")
    assert study.in_full() == study


def test_paths_in_a_study_file_start_from_its_folder(tmp_path: Path) -> None:
    write(tmp_path, "mine.py", WORST)
    file = write(tmp_path, "s.toml", 'family = "ridge"\nmetric = "worst"\nown = ["mine.py"]\n')
    study = load(str(file))
    assert study.own == [str(tmp_path / "mine.py")]
    other = write(tmp_path, "other.py", LENGTHS)
    assert load(str(file), {"own": [str(other)]}).own == [*study.own, str(other)]


def test_a_file_without_a_family_is_no_study(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.py", WORST)
    with pytest.raises(InputError) as caught:
        load(str(path))
    assert caught.value.message == f"The file '{path}' declares no FAMILY."


def test_families_are_listed_and_shown_when_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "mine.py", RIDGES)
    assert command(["families", "list", "--format", "json"]) == 0
    assert "ridges" not in capsys.readouterr().out
    words = ["--family-file", str(path), "--format", "json"]
    assert command(["families", "list", *words]) == 0
    names = [one["name"] for one in json.loads(capsys.readouterr().out)]
    assert full("ridges", path) in names
    assert command(["families", "show", "ridges", *words]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Mine"


def test_a_parameter_that_only_the_published_space_has_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solvers = """
from fesearch.space import Choice, Space
published = {**RIDGE.published.parameters, "solver": Choice(("svd",), source="a book")}
FAMILY = replace(FAMILY, published=Space(published))
"""
    path = write(tmp_path, "mine.py", RIDGES, solvers)
    words = ["families", "show", "ridges", "--family-file", str(path), "--format", "json"]
    assert command(words) == 0
    alpha, solver = json.loads(capsys.readouterr().out)["parameters"]
    assert alpha["parameter"] == "alpha"
    assert solver == {"parameter": "solver", "published": "svd", "full": None, "source": "a book"}


def test_the_traceback_of_a_users_file_is_shown_with_debug(tmp_path: Path) -> None:
    path = write(tmp_path, "mine.py", "def broken():\n    raise KeyError('oh')\nbroken()\n")
    words = ["families", "list", "--family-file", str(path)]
    program = [sys.executable, "-c", "from fesearch.cli.app import main; main()", *words]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 3  # that it is run, what failed, what to type
    done = subprocess.run([*program, "--debug"], capture_output=True, text=True)
    assert "raise KeyError('oh')" in done.stderr
