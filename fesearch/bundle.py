"""A bundle: a folder with one trained model and all it takes to use it, and no more than that.

Nothing in it is run, and every byte is vouched for by ``SHA256SUMS``. Reading one needs no store.
"""

import hashlib
import json
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from fesearch import formula
from fesearch.errors import InputError, quoted
from fesearch.family import Predictor
from fesearch.features import Combination
from fesearch.featureset import ColumnFeatureSet, Inputs, Needs
from fesearch.metrics import Direction
from fesearch.model import DESCRIPTION, WEIGHTS, FittedModel
from fesearch.registry import short_name
from fesearch.space import Value
from fesearch.structure import Structures

CARD, STUDY, README, SUMS, MODEL = "fesearch.json", "study.toml", "README.md", "SHA256SUMS", "model"
FILES = tuple(sorted((CARD, STUDY, README, f"{MODEL}/{DESCRIPTION}", f"{MODEL}/{WEIGHTS}")))
"""What a bundle consists of, beside the sums of these files."""

HINT = "Export the study again, or copy the whole folder again."
_SHOWN = 3  # compounds named in an error


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Trained(_Plain):
    """The trial a model is of; see ``record.TrialResult`` for its attributes."""

    study: str
    trial: int
    family: str
    config: dict[str, Value]
    seed: int
    resource: int
    best_resource: int | None
    unit: str
    seconds: float
    parameters: int | None


class FeatureNames(_Plain):
    """A feature set that a model reads, what that needs, and its own columns in order."""

    name: str
    needs: Needs
    digest: str
    columns: tuple[str, ...]


class Data(_Plain):
    """The data set a model was trained on."""

    name: str
    hash: str
    title: str
    source: str
    licence: str
    citation: str


class Parts(_Plain):
    """The division of that data set, and the numbers of rows of its parts."""

    spec: str
    fingerprint: str
    train: int
    val: int
    test: int


class Validation(_Plain):
    """The score that chose the model."""

    metric: str
    unit: str
    direction: Direction
    value: float


class Unsealed(_Plain):
    """Scores on the test part, and how often it had been looked at then, this look included."""

    rows: int
    looks: int
    scores: dict[str, float | None]


class Card(_Plain):
    """What there is to know about an exported model; the file ``fesearch.json``.

    Attributes:
        target, unit: what it predicts, such as "e_form" in "eV/atom".
        target_range: smallest and largest target among the training rows.
        elements: symbol -> training rows that contain it.
        features: the sets whose columns it reads, side by side in this order.
        test: None as long as nobody has looked at the test part.
        versions: package -> version the study was started with.
    """

    format: Literal[2] = 2
    trained: Trained
    target: str
    unit: str
    target_range: tuple[float, float]
    elements: dict[str, int]
    features: tuple[FeatureNames, ...]
    data: Data
    split: Parts
    validation: Validation
    test: Unsealed | None
    versions: dict[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the user's own numbers that it reads, besides formulas or structures."""
        return tuple(
            name for one in self.features if one.needs == "columns" for name in one.columns
        )

    @property
    def reads_structures(self) -> bool:
        """Whether a formula is not enough."""
        return any(one.needs == "structure" for one in self.features)

    @property
    def own(self) -> tuple[str, ...]:
        """The family and feature sets that are code of the user's own, by their full names."""
        names = (self.trained.family, *(one.name for one in self.features))
        return tuple(name for name in names if short_name(name) != name)

    @property
    def width(self) -> int:
        """Number of all columns it reads."""
        return sum(len(one.columns) for one in self.features)


@dataclass(frozen=True)
class Bundle:
    """An exported model, ready to predict; ``open_bundle`` makes one."""

    card: Card
    combination: Combination
    predictor: Predictor

    def predict(
        self,
        formulas: Sequence[str],
        structures: Structures | None = None,
        numbers: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Predictions (n,) in ``card.unit`` for n compounds.

        Args:
            formulas: in any spelling.
            structures: of the n compounds, for a model that reads them.
            numbers: column -> (n,) numbers; at least ``card.columns``.

        Raises:
            InputError: the model reads what is not given, a formula cannot be read, or compounds
                have no features; the first of them are named.
        """
        self.refuse_without(structures=structures is not None, numbers=numbers or {})
        inputs = Inputs.of_formulas(formulas, structures, numbers)
        matrix, lacking = self.combination.compute(inputs)
        if lacking:
            rows = sorted(lacking)
            first = [f"{quoted(formulas[row])} ({lacking[row]})" for row in rows[:_SHOWN]]
            more = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
            raise InputError(
                f"{len(rows)} of {len(formulas)} compounds cannot be predicted: "
                f"{'; '.join(first)}{more}.",
                "Leave them out.",
            )
        return self.predictor(matrix)

    def refuse_without(self, *, structures: bool, numbers: Container[str]) -> None:
        """Refuse to predict without what the model reads.

        Raises:
            InputError: it reads structures or a column, and there are none such.
        """
        if self.card.reads_structures and not structures:
            raise InputError(
                "The model reads crystal structures, and there are none.",
                "Give a file with a column of them: --file in.csv --structure COL --to out.csv",
            )
        for name in self.card.columns:
            if name not in numbers:
                raise InputError(
                    f"The model reads the column {quoted(name)} too, not formulas alone.",
                    "Give a file that has this column: --file in.csv --to out.csv",
                )

    def unseen(self, formulas: Iterable[str]) -> set[str]:
        """The elements of formulas that no training row contains.

        Raises:
            InputError: a formula cannot be read.
        """
        found = {symbol for text in formulas for symbol in formula.symbols(formula.reduced(text))}
        return found - self.card.elements.keys()


def open_bundle(folder: Path) -> Bundle:
    """Read a bundle and check all of it.

    Raises:
        InputError: a file is missing, changed, unknown or not a plain file; the model is none;
            or its feature set is not the one installed here.
    """
    _check_files(folder)
    card = _read_card(folder / CARD)
    model = FittedModel.load(folder / MODEL)
    same = (model.family, model.config, model.width) == (
        card.trained.family,
        card.trained.config,
        card.width,
    )
    if not same:
        raise InputError(f"The model in {folder} is not the one that {CARD} describes.", HINT)
    return Bundle(card, _combination(folder / CARD, card.features), model.predictor())


def checksums(folder: Path) -> str:
    """The text of ``SHA256SUMS``, as ``sha256sum`` prints it for ``FILES``."""
    return "".join(f"{_sha256(folder / name)}  {name}\n" for name in FILES)


def _check_files(folder: Path) -> None:
    """Refuse a folder that is not exactly ``FILES`` and their sums, before any file is read."""
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'.", "Give one that fesearch export wrote.")
    expected = {SUMS, MODEL, *FILES}
    found = dict(_walk(folder))
    for name, mode in sorted(found.items()):
        plain = stat.S_ISDIR(mode) if name == MODEL else stat.S_ISREG(mode)
        if name not in expected:
            raise InputError(
                f"The folder '{folder}' has '{name}', which is no part of an exported model.",
                "Move it elsewhere, if you know what it is.",
            )
        if not plain:
            raise InputError(f"'{folder / name}' is a link or no plain file.", HINT)
    for name in sorted(expected - found.keys()):
        raise InputError(
            f"The folder '{folder}' lacks the file '{name}' of an exported model.", HINT
        )
    _check_sums(folder)


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Every entry by its path in the folder, with its mode; links are not followed."""
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        yield path.name, mode
        if path.name == MODEL and stat.S_ISDIR(mode):
            yield from (
                (f"{MODEL}/{inner.name}", inner.lstat().st_mode) for inner in path.iterdir()
            )


def _check_sums(folder: Path) -> None:
    said = (folder / SUMS).read_bytes()
    computed = checksums(folder)
    if said == computed.encode():
        return
    lines = set(said.decode(errors="replace").splitlines())
    changed = [line[66:] for line in computed.splitlines() if line not in lines]  # behind the sum
    what = f"'{folder / changed[0]}' is" if changed else f"The lines of '{folder / SUMS}' are"
    raise InputError(f"{what} not what was exported: its checksum differs.", HINT)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_card(path: Path) -> Card:
    try:
        return Card.model_validate_json(_of_format_2(path.read_bytes()))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = HINT
        if key == "format":
            hint = "Use the version of fesearch that wrote it, or a newer one."
        raise InputError(f"In {path} '{key}' is wrong: {first['msg']}.", hint) from None


def _of_format_2(content: bytes) -> bytes:
    """A card as it is written now; one of format 1 has a single feature set, of formulas."""
    try:
        card = json.loads(content)
    except (ValueError, RecursionError):
        return content  # refused with the reason where it is read
    if not isinstance(card, dict) or card.get("format") != 1:
        return content
    features = card.get("features")
    if isinstance(features, dict):
        card |= {"format": 2, "features": [{"needs": "formula"} | features]}
    return json.dumps(card).encode()


def _combination(path: Path, features: Sequence[FeatureNames]) -> Combination:
    """The installed feature sets, if they give what the model was trained on."""
    combination = Combination.parse("+".join(one.name for one in features))
    said = [(one.name, one.needs) for one in features]
    if said != [(term.name, term.needs) for term in combination.terms]:
        raise InputError(f"In {path} 'features' is wrong: these are no such sets.", HINT)
    terms = []
    for term, wanted in zip(combination.terms, features, strict=True):
        found = term.naming(wanted.columns) if isinstance(term, ColumnFeatureSet) else term
        digest = found.digest()
        if digest != wanted.digest or found.names() != wanted.columns:
            raise InputError(
                f"The model reads the features '{wanted.name}' {wanted.digest[:12]}, "
                f"but those installed are {digest[:12]}.",
                "Install the versions of matminer and pymatgen listed in its README.md.",
            )
        terms.append(found)
    return Combination(tuple(terms))
