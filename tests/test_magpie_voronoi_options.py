"""Options of ``magpie_voronoi``, and what naming it costs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cells import CSCL

from fesearch import tasks
from fesearch.errors import InputError
from fesearch.featureset import FEATURE_SETS, StructureFeatureSet


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path))


def configured(options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the tasks are told."""
    told: dict[str, Any] = {}

    def run(make: Any, pieces: Any, report: Any, **given: Any) -> None:
        told.update(given)
        report(0, tasks.Failure(tasks.Cause.LOST, "enough"))

    monkeypatch.setattr(tasks, "run", run)
    feature_set = FEATURE_SETS.get("magpie_voronoi").with_options(options)
    assert isinstance(feature_set, StructureFeatureSet)
    assert feature_set.name == "magpie_voronoi"
    assert feature_set.digest() == FEATURE_SETS.get("magpie_voronoi").digest()
    feature_set.structure_rows([CSCL], None)
    return told


def test_limit_and_workers_are_options_that_change_no_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert configured({}, monkeypatch) == {"seconds": 60, "workers": None}
    both = {"limit": "0.5", "workers": "3"}
    assert configured(both, monkeypatch) == {"seconds": 0.5, "workers": 3}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "limit",
            "0",
            "The option limit of magpie_voronoi is '0'.\nGive seconds, such as limit=300.",
        ),
        (
            "limit",
            "nan",
            "The option limit of magpie_voronoi is 'nan'.\nGive seconds, such as limit=300.",
        ),
        (
            "workers",
            "1.5",
            "The option workers of magpie_voronoi is '1.5'.\nGive a number, such as 4.",
        ),
        (
            "worker",
            "2",
            "There is no option of magpie_voronoi 'worker'.\n"
            "Did you mean 'workers'? Type: fesearch features list",
        ),
    ],
)
def test_wrong_options_are_refused(option: str, value: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        FEATURE_SETS.get("magpie_voronoi").with_options({option: value})
    assert str(refused.value) == message


def test_naming_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from fesearch.featureset import FEATURE_SETS\n"
        "found = FEATURE_SETS.get('magpie_voronoi')\n"
        "assert len(found.names()) == 273 and found.digest()\n"
        "print(*{'matminer', 'pymatgen', 'ray', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
