"""A bundle: a folder with one trained model and all it takes to use it, and no more than that.

Nothing in it is run, and every byte is vouched for by ``SHA256SUMS``. Reading one needs no store.
"""

import hashlib
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from fesearch import formula
from fesearch.errors import InputError
from fesearch.family import Predictor
from fesearch.featureset import FEATURE_SETS, FeatureSet, Inputs
from fesearch.metrics import Direction
from fesearch.model import DESCRIPTION, WEIGHTS, FittedModel
from fesearch.space import Value

CARD, STUDY, README, SUMS, MODEL = "fesearch.json", "study.toml", "README.md", "SHA256SUMS", "model"
FILES = tuple(sorted((CARD, STUDY, README, f"{MODEL}/{DESCRIPTION}", f"{MODEL}/{WEIGHTS}")))
"""What a bundle consists of, beside the sums of these files."""

HINT = "Export the study again, or copy the whole folder again."


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
    """The feature set a model reads, and its columns in order."""

    name: str
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
        test: None as long as nobody has looked at the test part.
        versions: package -> version the study was started with.
    """

    format: Literal[1] = 1
    trained: Trained
    target: str
    unit: str
    target_range: tuple[float, float]
    elements: dict[str, int]
    features: FeatureNames
    data: Data
    split: Parts
    validation: Validation
    test: Unsealed | None
    versions: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """An exported model, ready to predict; ``open_bundle`` makes one."""

    card: Card
    feature_set: FeatureSet
    predictor: Predictor

    def predict(self, formulas: Sequence[str]) -> np.ndarray:
        """Predictions (n,) in ``card.unit`` for n formulas in any spelling.

        Raises:
            InputError: a formula cannot be read or has no features.
        """
        return self.predictor(self.feature_set.compute(Inputs.of_formulas(formulas)).matrix)

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
        len(card.features.columns),
    )
    if not same:
        raise InputError(f"The model in {folder} is not the one that {CARD} describes.", HINT)
    return Bundle(card, _feature_set(card.features), model.predictor())


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
        return Card.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = HINT
        if key == "format":
            hint = "Use the version of fesearch that wrote it, or a newer one."
        raise InputError(f"In {path} '{key}' is wrong: {first['msg']}.", hint) from None


def _feature_set(features: FeatureNames) -> FeatureSet:
    """The installed feature set, if it gives what the model was trained on."""
    found = FEATURE_SETS.get(features.name)
    digest = found.digest()
    if digest != features.digest or found.names() != features.columns:
        raise InputError(
            f"The model reads the features '{features.name}' {features.digest[:12]}, "
            f"but those installed are {digest[:12]}.",
            "Install the versions of matminer and pymatgen listed in its README.md.",
        )
    return found
