"""The data sets that matminer names, from where it keeps them.

Address, checksum and citation are those of matminer's own list. Its loader is passed by: it takes a
file that it finds without a look at the checksum, waits for ever for a silent server, and makes
objects of whatever classes the file names.

Source of the table: ``matminer/datasets/dataset_metadata.json`` of matminer 0.10.1, with its units;
where that file has none, the reason stands beside. Columns without a unit anywhere are left out.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fesearch.datasets import _http, _split_json
from fesearch.errors import FesearchError, InputError
from fesearch.paths import atomic_write, cache_dir
from fesearch.source import Delivery, Offer, Query, RawRow, RawTable, Remote, Report
from fesearch.structure import canonical, formula_of

LARGEST = 2 * 2**30  # bytes of a file

log = logging.getLogger(__name__)

_PER_ATOM, _EV = "eV/atom", "eV"
_GAPS = {"gap opt": _EV, "gap tbmbj": _EV}
_MP_2018 = {
    "e_form": _PER_ATOM,
    "e_hull": _PER_ATOM,
    "gap pbe": _EV,
    "bulk modulus": "GPa",
    "shear modulus": "GPa",
}


def _matbench(target: str, unit: str) -> Offer:
    """A task of matbench with structures, whose formulas are taken from them."""
    return Offer({target: unit}, structure="structure")


OFFERS: Mapping[str, Offer] = MappingProxyType(
    {
        "castelli_perovskites": Offer({"e_form": _EV, "gap gllbsc": _EV}, structure="structure"),
        "dielectric_constant": Offer({"volume": "Å³"}, structure="structure"),
        "double_perovskites_gap": Offer({"gap gllbsc": _EV}),
        "elastic_tensor_2015": Offer({"volume": "Å³"}, structure="structure"),
        "expt_formation_enthalpy": Offer(
            {"e_form expt": _PER_ATOM, "e_form mp": _PER_ATOM, "e_form oqmd": _PER_ATOM}
        ),
        "expt_formation_enthalpy_kingsbury": Offer({"expt_form_e": _PER_ATOM}),
        "expt_gap": Offer({"gap expt": _EV}),
        "expt_gap_kingsbury": Offer({"expt_gap": _EV}),
        "flla": Offer(
            # The list has a unit for e_above_hull only; both are fields of the Materials Project,
            # whose documentation gives eV/atom for this one.
            {"formation_energy_per_atom": _PER_ATOM, "e_above_hull": _PER_ATOM},
            structure="structure",
        ),
        "heusler_magnetic": Offer({"e_form": _PER_ATOM}),
        "jarvis_dft_2d": Offer(
            {"e_form": _PER_ATOM, **_GAPS, "exfoliation_en": "meV/atom"},
            structure="structure",
            formula="composition",
        ),
        "jarvis_dft_3d": Offer(
            {"e_form": _PER_ATOM, **_GAPS}, structure="structure", formula="composition"
        ),
        "jarvis_ml_dft_training": Offer(
            {"e_form": _PER_ATOM, **_GAPS, "e_exfol": _PER_ATOM, "mu_b": "μB"},
            structure="structure",
            formula="composition",
        ),
        "matbench_dielectric": _matbench("n", "unitless"),
        "matbench_expt_gap": Offer({"gap expt": _EV}, formula="composition"),
        "matbench_jdft2d": _matbench("exfoliation_en", "meV/atom"),
        "matbench_log_gvrh": _matbench("log10(G_VRH)", "log10(GPa)"),
        "matbench_log_kvrh": _matbench("log10(K_VRH)", "log10(GPa)"),
        # The list says eV; matbench's own metadata (matbench_v0.1_dataset_metadata.json) eV/atom.
        "matbench_mp_e_form": _matbench("e_form", _PER_ATOM),
        "matbench_mp_gap": _matbench("gap pbe", _EV),
        "matbench_perovskites": _matbench("e_form", _EV),
        "matbench_phonons": _matbench("last phdos peak", "1/cm"),
        "mp_all_20181018": Offer(_MP_2018, structure="structure", id="mpid"),
        "mp_nostruct_20181018": Offer(_MP_2018, id="mpid"),
        "wolverton_oxides": Offer({"e_form": _EV, "e_hull": _EV, "gap pbe": _EV, "vpa": "Å³/atom"}),
    }
)


@contextmanager
def open_query(query: Query, report: Report) -> Iterator[Delivery]:
    """The rows of a data set; ``report`` counts the kB of its file, which stays in the cache.

    Raises:
        FesearchError: the server cannot be reached, or the file is not what matminer means.
    """
    from matminer.datasets.dataset_retrieval import get_dataset_attribute

    def about(key: str) -> str:
        return str(get_dataset_attribute(query.name, key))

    path = cache_dir() / "matminer" / f"{query.name}.{about('file_type')}"
    if not path.is_file() or _digest(path) != about("hash"):
        _download(about("url"), path, about("hash"), report)
    offer = OFFERS[query.name]
    log.info("%s: reading %s rows", query.name, about("num_entries"))
    with _split_json.table(path) as file:
        table = RawTable(
            [*file.columns, *({offer.formula} - {*file.columns})],
            (_with_formula(row, offer) for row in file.rows),
        )
        yield Delivery(
            table,
            title=about("description").split(". ")[0].strip(),
            source=f"matminer {query.name}, {about('url')}, sha256 {about('hash')[:12]}",
            licence="not stated in matminer's list",
            citation=" ".join(about("reference").split()),
        )


SOURCE = Remote(
    "matminer's data sets", offers=OFFERS, choices=frozenset(), unit="kB", open=open_query
)


def _download(url: str, path: Path, sha256: str, report: Report) -> None:
    """Have the file that has this checksum at ``path``."""
    with atomic_write(path) as partial:
        with partial.open("wb") as file:
            _http.get_file(url, file, most=LARGEST, report=report)
        if _digest(partial) != sha256:
            raise FesearchError(
                f"The file at {url} has not the checksum that matminer knows.",
                "It was damaged or replaced: try again later, or with another version of matminer.",
            )


def _digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _with_formula(row: RawRow, offer: Offer) -> RawRow:
    """The row with its formula as text, from a composition or a structure where it has none."""
    found = row.cells.get(offer.formula)
    try:
        if isinstance(found, Mapping):
            found = _text(found)
        elif found is None and offer.structure is not None:
            found = formula_of(canonical(row.cells[offer.structure]))
    except InputError as error:
        return row._replace(fault=error.message.rstrip("."))
    except (AttributeError, LookupError, TypeError, ValueError):
        return row._replace(fault="it has no formula, composition or structure")
    return row._replace(cells={**row.cells, offer.formula: found})


def _text(composition: Mapping[str, Any]) -> str:
    """The formula of pymatgen's JSON of a composition: symbol -> amount, and @-keys of its own."""
    amounts = {symbol: amount for symbol, amount in composition.items() if symbol[0] != "@"}
    return "".join(
        f"{symbol}{Decimal(repr(float(amount))):f}" for symbol, amount in amounts.items()
    )
