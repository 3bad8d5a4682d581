"""Features of structures: matminer's numbers, each structure once, and reasons where there is none.

Ray is left out where it is not what is tested: see `inline`.
"""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cells import CSCL, cell

from fesearch import featureset, formula, structure, structurecache, tasks
from fesearch.featureset import FEATURE_SETS, Inputs
from fesearch.featuresets import _voronoi, magpie, magpie_voronoi

REAL = Path(__file__).parents[2] / "shared" / "data" / "mp_structures.jsonl.gz"

PEROVSKITE = cell(
    *(("Ca", (0, 0, 0)), ("Ti", (0.5, 0.5, 0.5))),
    *(("O", place) for place in ((0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5))),
    edges=(3.9, 3.9, 4.1),
)

LAYERS = cell(("Mo", (0, 0, 0)), ("S", (0.4, 0.5, 0.3)), ("S", (0.5, 0.4, 0.7)))

ALUMINIUM = cell(*(("Al", place) for place in ((0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5))))

TOGETHER = cell(("Na", (0, 0, 0)), ("Cl", (0, 0, 0)))

FLAT = cell(("Na", (0, 0, 0)), edges=(4, 4, 0))

MIXED = CSCL.replace(
    '[{"element": "Cs", "occu": 1}]',
    json.dumps([{"element": "Cs", "occu": 0.5}, {"element": "K", "occu": 0.5}]),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESEARCH_CACHE_DIR", str(tmp_path))


@pytest.fixture(scope="module")
def row() -> Callable[[str], np.ndarray]:
    """What a worker makes."""
    return _voronoi.featurizer()


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch, row: Callable[[str], np.ndarray]) -> list[str]:
    """The texts that have been computed, in this process."""
    computed: list[str] = []

    def run(make: Any, pieces: Any, report: Any, *, seconds: float, workers: int | None) -> None:
        for place, text in enumerate(pieces):
            computed.append(text)
            try:
                report(place, row(text))
            except Exception as error:  # noqa: BLE001  as in a worker
                report(place, tasks.Failure(tasks.Cause.ERROR, str(error).splitlines()[0]))

    monkeypatch.setattr(tasks, "run", run)
    return computed


def failing(monkeypatch: pytest.MonkeyPatch, *failures: tasks.Failure) -> None:
    """Let every structure fail like these, in turn."""

    def run(make: Any, pieces: Any, report: Any, *, seconds: float, workers: int | None) -> None:
        for place, failure in zip(range(len(pieces)), failures, strict=True):
            report(place, failure)

    monkeypatch.setattr(tasks, "run", run)


# The numbers


def matminer_rows(texts: list[str]) -> np.ndarray:
    """The 128 columns by matminer's own means, each structure by itself."""
    from matminer.featurizers.base import MultipleFeaturizer
    from matminer.featurizers.structure import (
        ChemicalOrdering,
        MaximumPackingEfficiency,
        SiteStatsFingerprint,
        StructuralHeterogeneity,
    )
    from matminer.utils import caching
    from pymatgen.core.structure import Structure

    featurizer = MultipleFeaturizer(
        [
            SiteStatsFingerprint.from_preset("CoordinationNumber_ward-prb-2017"),
            StructuralHeterogeneity(),
            ChemicalOrdering(),
            MaximumPackingEfficiency(),
            SiteStatsFingerprint.from_preset("LocalPropertyDifference_ward-prb-2017"),
        ]
    )
    assert _voronoi.names() == tuple(featurizer.feature_labels())
    rows = []
    for text in texts:
        caching._get_all_nearest_neighbors.cache_clear()
        structure = Structure.from_dict(json.loads(text))
        inside = structure.frac_coords % 1 % 1
        rows.append(featurizer.featurize(Structure(structure.lattice, structure.species, inside)))
    return np.array(rows, dtype=float)


def test_the_numbers_and_names_are_those_of_matminer(row: Callable[[str], np.ndarray]) -> None:
    texts = [CSCL, PEROVSKITE, LAYERS, ALUMINIUM]
    np.testing.assert_array_equal([row(text) for text in texts], matminer_rows(texts))


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name} in ../shared/data")
def test_the_numbers_are_those_of_matminer_for_real_structures(
    row: Callable[[str], np.ndarray],
) -> None:
    with gzip.open(REAL, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["structure"] for line in file][::80]
    np.testing.assert_array_equal([row(text) for text in texts], matminer_rows(texts))


def test_the_columns_are_those_of_magpie_and_then_of_the_structure(inline: list[str]) -> None:
    matrix, failed = magpie_voronoi.rows([PEROVSKITE, CSCL])
    names = magpie_voronoi.names()
    assert (len(names), len(set(names))) == (273, 273)
    assert names[:145] == magpie.names()
    assert (matrix.shape, failed) == ((2, 273), {})
    assert matrix.dtype == np.float32
    expected = magpie.rows(["CaO3Ti", "ClCs"]).astype(np.float32)
    np.testing.assert_array_equal(matrix[:, :145], expected)


def test_the_known_coordination_of_caesium_chloride(row: Callable[[str], np.ndarray]) -> None:
    """8 large faces of a truncated octahedron and 6 small ones: between 8 and 14 neighbours."""
    found = dict(zip(_voronoi.names(), row(CSCL), strict=True))
    large, small = 3 * np.sqrt(3), 2.0  # hexagons and squares of edge 1 have areas 3√3/2 and 1
    effective = (8 * large + 6 * small) ** 2 / (8 * large**2 + 6 * small**2)
    assert found["mean CN_VoronoiNN"] == pytest.approx(effective, rel=1e-5)
    assert found["range CN_VoronoiNN"] == pytest.approx(0, abs=1e-5)
    share = 8 * large / (8 * large + 6 * small)
    assert found["mean local difference in Number"] == pytest.approx(share * (55 - 17), rel=1e-5)


def test_two_ranges_are_what_matminer_has_beyond_the_126_of_the_papers(
    row: Callable[[str], np.ndarray],
) -> None:
    extra = [f"range {what}" for what in ("CN_VoronoiNN", "neighbor distance variation")]
    assert len(set(_voronoi.names()) - set(extra)) == 126
    found = dict(zip(_voronoi.names(), row(PEROVSKITE), strict=True))
    for name in extra:
        most, least = (found[name.replace("range", word)] for word in ("maximum", "minimum"))
        assert found[name] == pytest.approx(most - least)


def test_a_row_does_not_depend_on_the_structure_before(row: Callable[[str], np.ndarray]) -> None:
    """matminer takes the neighbours of the one before for those of an equal structure."""
    turned = json.dumps({**json.loads(PEROVSKITE), "sites": json.loads(PEROVSKITE)["sites"][::-1]})
    first = row(PEROVSKITE)
    np.testing.assert_allclose(row(turned), first, atol=1e-8)


@pytest.mark.parametrize("shift", [-1e-17, -1e-9, -0.3, 1.0, 2.7])
def test_a_row_does_not_depend_on_the_corner_of_the_cell(
    row: Callable[[str], np.ndarray], shift: float
) -> None:
    """Of an atom outside of the cell pymatgen finds no neighbours, or those of a hole."""
    moved = json.loads(LAYERS)
    for site in moved["sites"]:
        site["abc"][0] += shift
    np.testing.assert_allclose(row(json.dumps(moved)), row(LAYERS), rtol=1e-6, atol=1e-6)


def test_charges_of_ions_do_not_matter(row: Callable[[str], np.ndarray]) -> None:
    charged = CSCL.replace('"Cs",', '"Cs", "oxidation_state": 1,')
    assert charged != CSCL
    np.testing.assert_array_equal(row(charged), row(CSCL))


def test_the_composition_is_that_of_the_data_whatever_its_occupancies() -> None:
    """Sums of 0.1 are no sums in binary, and 0.00001 is no amount as Python prints it."""
    sites = [{"species": [{"element": e, "occu": o} for e, o in shares]} for shares in MIXTURES]
    text = json.dumps({"sites": sites})
    found, failed = magpie_voronoi._of_compositions([text])
    assert failed == {}
    expected = magpie.rows([formula.reduced("Fe0.3Ni2.7Cs0.99999Rb0.00001")])
    np.testing.assert_array_equal(found, expected)


MIXTURES = [[("Fe", 0.1), ("Ni", 0.9)]] * 3 + [[("Cs", 0.99999), ("Rb", 0.00001)]]


def test_nothing_is_imputed(row: Callable[[str], np.ndarray]) -> None:
    found = row(CSCL.replace("Cs", "Ar"))
    missing = {name for name, value in zip(_voronoi.names(), found, strict=True) if np.isnan(value)}
    assert missing == {f"{s} local difference in Electronegativity" for s in _voronoi.STATISTICS}


# What fails, and what is kept


def test_structures_that_fail_have_a_reason_and_no_numbers(inline: list[str]) -> None:
    matrix, failed = magpie_voronoi.rows([TOGETHER, CSCL, FLAT, MIXED, "{}"])
    assert set(failed) == {0, 2, 3, 4}
    assert "No Voronoi neighbors found" in failed[0]
    assert "float division" in failed[2] or "zero" in failed[2]
    assert failed[3] == "it is disordered: elements share a site"
    assert np.isnan(matrix[[0, 2, 3, 4]]).all()
    assert np.isfinite(matrix[1]).all()


def test_an_element_that_magpie_does_not_know_is_a_reason_too(inline: list[str]) -> None:
    unknown = CSCL.replace("Cs", "Og")
    matrix, failed = magpie_voronoi.rows([CSCL, unknown, PEROVSKITE])
    assert failed == {1: "The element tables of magpie lack Og, which 'ClOg' contains."}
    assert np.isnan(matrix[1]).all()
    assert np.isfinite(matrix[[0, 2]]).all()
    expected = magpie.rows(["ClCs", "CaO3Ti"]).astype(np.float32)
    np.testing.assert_array_equal(matrix[[0, 2], :145], expected)


def test_what_is_known_is_not_computed_again(inline: list[str]) -> None:
    first, _ = magpie_voronoi.rows([CSCL, TOGETHER])
    told: list[tuple[int, int]] = []
    both, failed = magpie_voronoi.rows(
        [PEROVSKITE, TOGETHER, CSCL], lambda done, total: told.append((done, total))
    )
    assert inline == [CSCL, TOGETHER, PEROVSKITE]
    assert told == [(0, 1), (1, 1)], "of those that are to be computed"
    assert set(failed) == {1}
    np.testing.assert_array_equal(both[2], first[0])
    assert structurecache.size("magpie_voronoi") > 0


def test_another_matminer_computes_again(
    inline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = FEATURE_SETS.get("magpie_voronoi").digest()
    magpie_voronoi.rows([CSCL])
    monkeypatch.setattr(_voronoi, "version_of", lambda name: "0.0")
    magpie_voronoi.rows([CSCL])
    assert inline == [CSCL, CSCL]
    assert FEATURE_SETS.get("magpie_voronoi").digest() != digest


def test_a_time_out_is_remembered_with_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    late = tasks.Failure(tasks.Cause.TIME, "took longer than 60 s")
    failing(monkeypatch, late)
    assert magpie_voronoi.rows([CSCL])[1] == {0: "took longer than 60 s"}
    failing(monkeypatch)
    assert magpie_voronoi.rows([CSCL], limit=30)[1] == {0: "took longer than 60 s"}
    failing(monkeypatch, tasks.Failure(tasks.Cause.TIME, "took longer than 90 s"))
    assert magpie_voronoi.rows([CSCL], limit=90)[1] == {0: "took longer than 90 s"}


def test_a_lost_worker_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, inline: list[str]
) -> None:
    whole = tasks.run
    failing(monkeypatch, tasks.Failure(tasks.Cause.LOST, "its worker was lost"))
    assert magpie_voronoi.rows([CSCL])[1] == {0: "its worker was lost"}
    monkeypatch.setattr(tasks, "run", whole)
    assert magpie_voronoi.rows([CSCL])[1] == {}


def test_no_structures_start_nothing(inline: list[str]) -> None:
    matrix, failed = magpie_voronoi.rows([])
    assert (matrix.shape, failed, inline) == ((0, 273), {}, [])


def test_rows_of_data_without_a_structure_are_named(inline: list[str]) -> None:
    structures = structure.Structures.of([CSCL, "", FLAT, CSCL])
    inputs = Inputs.of_formulas(["CsCl", "NaCl", "Na", "CsCl"], structures)
    matrix, lacking = FEATURE_SETS.get("magpie_voronoi").compute(inputs)
    assert lacking[1] == featureset.NO_STRUCTURE
    assert set(lacking) == {1, 2}
    np.testing.assert_array_equal(matrix[0], matrix[3])
    assert len(inline) == 2, "each structure once"


# On Ray


def sleepy() -> Callable[[str], np.ndarray]:
    """Workers that never finish a structure with molybdenum."""
    row = _voronoi.featurizer()

    def slept(text: str) -> np.ndarray:
        time.sleep(1000 if "Mo" in text else 0)
        return row(text)

    return slept


@pytest.mark.slow
def test_on_ray_a_structure_that_hangs_is_listed_and_the_others_are_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(_voronoi, "featurizer", sleepy)
    texts = [CSCL, LAYERS, TOGETHER, ALUMINIUM]
    matrix, failed = magpie_voronoi.rows(texts, limit=15, workers=1)
    assert failed[1] == "took longer than 15 s"
    assert failed[2].startswith("ValueError: No Voronoi neighbors found")
    assert set(failed) == {1, 2}
    np.testing.assert_array_equal(
        matrix[[0, 3], 145:], matminer_rows([CSCL, ALUMINIUM]).astype(np.float32)
    )


@pytest.fixture
def killed() -> int:
    """How many of `MANY` a process had told to be done when it was killed."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from fesearch.featuresets import magpie_voronoi\n"
        "from test_magpie_voronoi import MANY\n"
        "magpie_voronoi.rows(MANY, lambda done, total: print(done, flush=True), workers=2)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        done = 0
        while done < len(MANY) // 2:
            done = int(run.stdout.readline())
        os.kill(run.pid, signal.SIGKILL)
    return done


MANY = [cell(("Cs", (0, 0, 0)), ("Cl", (0.5, 0.5, z / 100))) for z in range(40, 60)]


@pytest.mark.slow
def test_after_a_kill_only_the_rest_is_computed(
    killed: int, inline: list[str], row: Callable[[str], np.ndarray]
) -> None:
    matrix, failed = magpie_voronoi.rows(MANY)
    assert failed == {}
    assert len(MANY) - killed - 4 <= len(inline) <= len(MANY) - killed, "some ended meanwhile"
    expected = np.array([row(text) for text in MANY], dtype=np.float32)
    np.testing.assert_array_equal(matrix[:, 145:], expected)
    magpie_voronoi.rows(MANY)
    assert len(inline) <= len(MANY) - killed
