"""Formation enthalpies of 11,000 binary and ternary alloys from Miedema's semi-empirical model.

The target is the enthalpy of formation of an ordered compound ("inter" in matminer) from the solid
metals, eV/atom, as ``matminer.featurizers.composition.alloy.Miedema`` computes it: a smooth
function of composition, free of measuring noise, for trying searches out without a network. It is
no substitute for measured or DFT energies. The model is of de Boer, Boom, Mattens, Miedema and
Niessen, Cohesion in Metals (North-Holland, 1988); the parameters in matminer are of Zhang et al.,
Comput. Phys. Commun. 209, 58 (2016); ternaries are sums over their three binaries (Gallego, Somoza
and Alonso, J. Phys.: Condens. Matter 2, 6245 (1990)).

52 of matminer's 73 elements are used. Miedema's constants P, Q and R depend on which partners are
transition metals, and matminer takes 3 to 11 valence electrons as the sign of one. That is wrong
for B, C, N, Al, Si, P, Ga, Ge, As, In, Sn, Sb, Tl, Pb and Bi (it makes AlNi unstable, +0.07
eV/atom, where the model says -0.50) and for Dy, Ho, Er, Tm and Yb (counted with their f electrons);
H is a gas. These are left out, so that every row is what the model says.

``python -m fesearch.datasets.miedema`` writes the shipped file again.
"""

import csv
import gzip
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

from fesearch import formula
from fesearch.dataset import Dataset
from fesearch.datasets import delimited
from fesearch.intake import Wanted, collect
from fesearch.paths import atomic_write
from fesearch.seeds import derive
from fesearch.source import BuiltIn, Summary

FILE = Path(__file__).with_name("miedema.csv.gz")
TARGET = "formation_enthalpy"
UNIT = "eV/atom"
ORIGIN = "matminer 0.10.1, Miedema, intermetallic compounds"
ROWS = 11_000
HASH = "af2cee57b277d143c5665ff0635ceb5d4ec113244d83407c9d4c5f9ccec6a022"
DECIMALS = 4  # of eV/atom; finer differences mean nothing in this model

_METALS = (
    "Li Na K Rb Cs Be Mg Ca Sr Ba Zn Cd Hg "  # not transition metals: 1, 2 or 12 electrons
    "Sc Ti V Cr Mn Fe Co Ni Cu Y Zr Nb Mo Tc Ru Rh Pd Ag Lu Hf Ta W Re Os Ir Pt Au "
    "La Ce Pr Nd Pm Sm Eu Gd Tb Th U Pu"
)
ELEMENTS = tuple(_METALS.split())
BINARY = ((3, 1), (2, 1), (1, 1), (1, 2), (1, 3))  # amounts, the same for every pair
TERNARY = ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2))  # one of them for each chosen triple


def load() -> Dataset:
    """The shipped table."""
    with delimited.table(FILE) as table:
        return collect(
            "miedema",
            table,
            Wanted({TARGET: UNIT}, formula="formula"),
            origin=str(FILE),
            title="Formation enthalpies of binary and ternary alloys, Miedema's model",
            source=ORIGIN,
            licence="parameters and code of matminer: modified BSD, (c) 2015 The Regents of the "
            "University of California",
            citation="de Boer et al., Cohesion in Metals (1988); "
            "Zhang et al., Comput. Phys. Commun. 209, 58 (2016)",
        )


SOURCE = BuiltIn(
    title="Miedema's model of alloys, comes with fesearch",
    load=load,
    summary=Summary("miedema", ROWS, {TARGET: UNIT}, HASH, ORIGIN),
)


def compositions() -> list[str]:
    """The alloys of the table as reduced formulas, in alphabetical order.

    Every pair of ``ELEMENTS`` at every stoichiometry of ``BINARY``; the rest are triples, drawn by
    a hash of their symbols so that no version of a random generator matters.
    """
    binaries = [
        _spelled(pair, amounts)
        for pair in itertools.combinations(ELEMENTS, 2)
        for amounts in BINARY
    ]
    triples = sorted(
        itertools.combinations(sorted(ELEMENTS), 3), key=lambda triple: derive(0, *triple)
    )
    ternaries = [
        _spelled(triple, TERNARY[place % len(TERNARY)])
        for place, triple in enumerate(triples[: ROWS - len(binaries)])
    ]
    return sorted(binaries + ternaries)


def _spelled(symbols: Sequence[str], amounts: Sequence[int]) -> str:
    return formula.reduced(
        "".join(f"{symbol}{amount}" for symbol, amount in zip(symbols, amounts, strict=True))
    )


def enthalpies(formulas: Sequence[str]) -> list[float]:
    """Formation enthalpies by matminer, eV/atom, rounded as in the table."""
    from matminer.featurizers.composition.alloy import Miedema
    from pymatgen.core.composition import Composition

    model = Miedema(struct_types="inter", impute_nan=False)
    values = (float(model.featurize(Composition(text))[0]) for text in formulas)
    return [round(value, DECIMALS) + 0.0 for value in values]  # + 0.0: no minus zero


def write(path: Path) -> None:
    """Compute the table and write it, the same bytes every time."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["formula", TARGET])
    formulas = compositions()
    rows.writerows(zip(formulas, enthalpies(formulas), strict=True))
    with atomic_write(path) as partial:
        partial.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    write(FILE)
