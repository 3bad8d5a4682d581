"""What there is to know about an exported model, as plain values: its file ``fesearch.json``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fesearch import plainjson
from fesearch.errors import InputError
from fesearch.featureset import Needs
from fesearch.metrics import Direction
from fesearch.registry import short_name
from fesearch.space import Value

MOST = 64
"""Members of an ensemble."""

ProgramKind = Literal["onnx", "torch"]
PROGRAMS: Mapping[ProgramKind, str] = {"onnx": "program.onnx", "torch": "program.pt2"}
"""Kind of a program -> its file, in the folder of its model."""

JOINED = "train + validation"
"""As ``store.how.Trained`` says it."""

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
    """A feature set that a model reads, what that needs, and its own columns in order."""

    name: str
    needs: Needs
    digest: str
    columns: tuple[str, ...]


class ProgramOf(_Plain):
    """The file of a model that runs without fesearch, and how equal it was found to be.

    Attributes:
        rows: of the validation part, predicted by both; and one without any known feature.
        difference: the largest between the two, in the unit of the target.
    """

    kind: ProgramKind
    rows: int
    difference: float


class Member(_Plain):
    """A model of a bundle, which has one, or those of an ensemble.

    Attributes:
        features: the sets whose columns it reads, side by side in this order.
        picks: how often the selection chose it; the weight of its predictions.
        validation: its own score, by which its trial is on record.
        program: None where it was exported without.
    """

    trained: Trained
    features: tuple[FeatureNames, ...]
    picks: Annotated[int, Field(ge=1)]
    validation: float
    program: ProgramOf | None = None

    @property
    def width(self) -> int:
        """Number of all columns it reads."""
        return sum(len(one.columns) for one in self.features)


class Data(_Plain):
    """The data set a model was trained on."""

    name: str
    hash: str
    title: str
    source: str
    licence: str
    citation: str


class Parts(_Plain):
    """The division of that data set, and the numbers of rows of its parts.

    Attributes:
        folds: inner folds of the training part that configs were scored on, if they were.
        sealed: distinct formulas of the test part, or of all test parts that a search was outside
            of, whose hashes are in a file; None where there are no test rows, all rows were trained
            on, or an older version exported.
    """

    spec: str
    fingerprint: str
    train: int
    val: int
    test: int
    folds: int | None
    sealed: int | None


class Validation(_Plain):
    """The score that chose the model; of an ensemble, that of its mean.

    Attributes:
        value: of ``metric``.
        scores: metric -> score on the same rows; none where an older version exported.
        intervals: metric -> the 95 % interval of that, formulas drawn with replacement.
    """

    metric: str
    unit: str
    direction: Direction
    value: float
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]


class Intervals(_Plain):
    """How prediction intervals were calibrated; the scores themselves are in a file.

    Attributes:
        rows: of the validation part, as many as there are scores.
        floor: added to the spread that errors are divided by, in the target's unit; None where
            there is no spread and all intervals are of one width.
        half_widths: level -> half of the width in the target's unit; of normalised ones the mean.
    """

    rows: int
    floor: float | None
    half_widths: dict[str, float]


class Unsealed(_Plain):
    """Scores on the test part, and how often it had been looked at then, this look included.

    Attributes:
        trained: what the model that was scored had been trained on; see ``store.how.Trained``.
        intervals: metric -> the 95 % interval of its score, formulas drawn with replacement, as far
            as it is known: of the MAE alone where the predictions are not kept.
        coverage: level of prediction intervals -> share of the test rows that were within them,
            and their mean width.
    """

    trained: str = "as searched"
    rows: int
    looks: int
    scores: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    coverage: dict[str, tuple[float, float]]


class Card(_Plain):
    """What there is to know about an exported model; the file ``fesearch.json``.

    Attributes:
        members: one, or those of an ensemble, the most picked first.
        target, unit: what it predicts, such as "e_form" in "eV/atom".
        target_range: smallest and largest target among the training rows.
        elements: symbol -> training rows that contain it.
        test: None as long as nobody has looked at the test part with this model.
        refit: number of rows it was trained on once more, those of all parts; None where it is
            the model that was scored.
        joined: number of rows it was trained on where those are of training and validation part,
            and the test scores are of this very model; None elsewhere.
        intervals: None where an older version exported.
        versions: package -> version the study was started with.
    """

    format: Literal[5] = 5
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=MOST)]
    target: str
    unit: str
    target_range: tuple[float, float]
    elements: dict[str, int]
    data: Data
    split: Parts
    validation: Validation
    test: Unsealed | None
    refit: int | None
    intervals: Intervals | None
    versions: dict[str, str]
    joined: int | None = None

    @property
    def trained(self) -> Trained:
        """The trial of its first member."""
        return self.members[0].trained

    @property
    def picks(self) -> int:
        """Of all members together."""
        return sum(member.picks for member in self.members)

    @property
    def features(self) -> tuple[FeatureNames, ...]:
        """The distinct sets that its members read."""
        return tuple(dict.fromkeys(one for member in self.members for one in member.features))

    @property
    def families(self) -> tuple[str, ...]:
        """The distinct families of its members."""
        return tuple(dict.fromkeys(member.trained.family for member in self.members))

    @property
    def scored_another(self) -> bool:
        """Whether the test scores are of its config trained with the validation part, not of it."""
        return self.test is not None and self.test.trained == JOINED and self.joined is None

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the user's own numbers that it reads, besides formulas or structures."""
        sets = [one for one in self.features if one.needs == "columns"]
        return tuple(dict.fromkeys(name for one in sets for name in one.columns))

    @property
    def reads_structures(self) -> bool:
        """Whether a formula is not enough."""
        return any(one.needs == "structure" for one in self.features)

    @property
    def own(self) -> tuple[str, ...]:
        """The family and feature sets that are code of the user's own, by their full names."""
        names = (*self.families, *(one.name for one in self.features))
        return tuple(name for name in names if short_name(name) != name)


def read_card(path: Path) -> Card:
    """The card in a file, of this format or an earlier one.

    Raises:
        InputError: it is none; the message names the first key that is wrong.
    """
    try:
        said = plainjson.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"The file {path} is not JSON: {error}.", HINT) from None
    try:
        return Card.model_validate_json(json.dumps(_as_now(said)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        hint = HINT
        if key == "format":
            hint = "Use the version of fesearch that wrote it, or a newer one."
        where = f"In {path} '{key}' is wrong" if key else f"The file {path} is no model card"
        raise InputError(f"{where}: {first['msg']}.", hint) from None


def _as_now(card: Any) -> Any:
    """A card as it is written now; what is no card is refused with the reason where it is read."""
    if not isinstance(card, dict) or not isinstance(card.get("validation"), dict):
        return card
    if card.get("format") == 1 and isinstance(card.get("features"), dict):
        card |= {"format": 2, "features": [{"needs": "formula"} | card["features"]]}
    if card.get("format") == 2:
        card = _of_format_3(card)
    if card.get("format") == 3:
        card = _of_format_4(card)
    if card.get("format") == 4:
        card = _of_format_5(card)
    return card


def _of_format_3(card: dict[str, Any]) -> dict[str, Any]:
    """A card of format 2, which has one model and no intervals."""
    member = {
        "trained": card.pop("trained", None),
        "features": card.pop("features", None),
        "picks": 1,
        "validation": card["validation"].get("value"),
    }
    validation = card["validation"] | {"interval": None}
    added = {"refit": None, "intervals": None, "validation": validation}
    return card | added | {"format": 3, "members": [member]}


def _of_format_4(card: dict[str, Any]) -> dict[str, Any]:
    """A card of format 3, which says less of the division and of the look at its test part."""
    card = card | {"format": 4}
    if isinstance(card.get("split"), dict):
        card["split"] = {"folds": None, "sealed": None} | card["split"]
    if isinstance(card.get("test"), dict):
        card["test"] = {"interval": None, "coverage": {}} | card["test"]
    return card


def _of_format_5(card: dict[str, Any]) -> dict[str, Any]:
    """A card of format 4, which has one score of the validation part, and the MAE's intervals."""
    card = card | {"format": 5}
    for part in ("validation", "test"):
        if isinstance(said := card.get(part), dict):
            interval = said.get("interval")
            rest = {name: value for name, value in said.items() if name != "interval"}
            card[part] = {"intervals": {} if interval is None else {"mae": interval}} | rest
    card["validation"] = {"scores": {}} | card["validation"]
    return card
