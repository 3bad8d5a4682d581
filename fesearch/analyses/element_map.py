"""What a network has learned of the elements: Huang and Ling 2020, Fig. 3b.

The weights with which the first layer reads an element are a vector; the vectors of all elements
are drawn in their first two principal components. Nothing in the input says which are alike.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fesearch.analysis import Analysis, Finding, Settings, Table
from fesearch.errors import InputError
from fesearch.examined import Examined
from fesearch.family import FAMILIES
from fesearch.formula import ELEMENTS
from fesearch.subject import Subject, models

if TYPE_CHECKING:
    from fesearch.figures import Panel

FEWEST = 20
"""Training rows of an element from which on its weights are more than how they began."""
CLASSES = {
    "alkali and alkaline earth": "Li Be Na Mg K Ca Rb Sr Cs Ba Fr Ra",
    "transition": "Sc Ti V Cr Mn Fe Co Ni Cu Zn Y Zr Nb Mo Tc Ru Rh Pd Ag Cd Hf Ta W Re Os Ir Pt "
    "Au Hg Rf Db Sg Bh Hs Mt Ds Rg Cn",
    "lanthanide and actinide": "La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ac Th Pa U Np Pu Am "
    "Cm Bk Cf Es Fm Md No Lr",
    "other metal and metalloid": "B Al Si Ga Ge As In Sn Sb Te Tl Pb Bi Po At Nh Fl Mc Lv Ts",
    "nonmetal": "H C N O F P S Cl Se Br I He Ne Ar Kr Xe Rn Og",
}
_CLASS = {symbol: name for name, symbols in CLASSES.items() for symbol in symbols.split()}


def find(subjects: Sequence[Subject], settings: Settings) -> Finding:
    """The elements of each model in the first two principal components of its first layer.

    Raises:
        InputError: a model has no weights that belong to elements, or has seen too few elements.
    """
    summary, rows = [], []
    for one in models(subjects):
        symbols, vectors = _vectors(one)
        centred = vectors - vectors.mean(axis=0)
        left, sizes, axes = np.linalg.svd(centred, full_matrices=False)
        signs = np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)])
        places = left[:, :2] * sizes[:2] * signs
        shares = sizes**2 / max(float((sizes**2).sum()), np.finfo(float).tiny)
        summary.append([one.label, len(symbols), vectors.shape[1], *map(float, shares[:2])])
        for symbol, (first, second) in zip(symbols, places.tolist(), strict=True):
            rows.append([one.label, symbol, _CLASS[symbol], one.seen[symbol], first, second])
    return Finding(
        summary=Table.of(
            summary, "model", "elements", "weights_each", "variance_of_pc1", "variance_of_pc2"
        ),
        detail=Table.of(rows, "model", "element", "class", "training_rows", "pc1", "pc2"),
        note=f"Weights of the first layer, of elements in {FEWEST} training rows or more.",
    )


def panels(finding: Finding) -> "list[Panel]":
    """A map of each model."""
    from fesearch.figures import PALETTE, Point, points

    colours = dict(zip(CLASSES, (PALETTE[i] for i in (1, 3, 6, 4, 5)), strict=True))
    shares = {row["model"]: row for row in finding.summary.rows()}
    return [
        points(
            [
                Point(*row)
                for row in zip(one["element"], one["pc1"], one["pc2"], one["class"], strict=True)
            ],
            title=f"Elements as learned: {label}",
            note=finding.note,
            x=f"first principal component ({100 * shares[label]['variance_of_pc1']:.0f} %)",
            y=f"second ({100 * shares[label]['variance_of_pc2']:.0f} %)",
            palette=colours,
        )
        for label, one in finding.detail.groups("model").items()
    ]


def _vectors(one: Examined) -> tuple[list[str], np.ndarray]:
    """Symbols of m elements that were seen enough, and their weights (m, k)."""
    if one.gone is not None:
        raise one.gone
    if one.model is None:
        raise InputError(
            f"The model of '{one.label}' is the mean of several, whose weights do not go together.",
            "Give a study without inner folds, or a model that is no ensemble.",
        )
    read = FAMILIES.get(one.model.family).element_weights
    found = read(one.model.arrays, one.names) if read else {}
    known = [s for s in ELEMENTS if s in found and one.seen.get(s, 0) >= FEWEST]
    if not found:
        raise InputError(
            f"The model of '{one.label}' has no weights that belong to elements.",
            "Search a network on compositions: fesearch study start dnn --features "
            "element_fractions (or rnn, or attention)",
        )
    if len(known) < 3:
        raise InputError(
            f"The model of '{one.label}' has seen {len(known)} elements in {FEWEST} training rows "
            "or more.",
            "Give a model of more data.",
        )
    return known, np.array([found[symbol] for symbol in known], dtype=np.float64)


ANALYSIS = Analysis(
    name="element_map",
    title="Elements as learned",
    question="Does a network that was told nothing of chemistry find the groups of elements?",
    source="Huang and Ling 2020, Fig. 3b",
    reads="models",
    example="fesearch study start dnn --features element_fractions --name elements; "
    "fesearch analyse element_map elements --to map.png",
    find=find,
    panels=panels,
)
