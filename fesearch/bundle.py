"""A bundle: a folder with an exported model and all it takes to use it, and no more than that.

Nothing in it is run, and every byte is vouched for by ``SHA256SUMS``. Reading one needs no store.
"""

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np

from fesearch import bundlefiles, formula
from fesearch.arrays import broken
from fesearch.bundlefiles import CARD, INTERVALS, SEALED, SUMS
from fesearch.card import HINT, PROGRAMS, Card, FeatureNames, Member, read_card
from fesearch.ensemble import mean_and_spread
from fesearch.errors import InputError, counted, quoted
from fesearch.family import FAMILIES, Predictor
from fesearch.features import Combination
from fesearch.featureset import ColumnFeatureSet, Computed, FeatureSet, Inputs
from fesearch.intervals import Calibration
from fesearch.model import FittedModel, read_arrays
from fesearch.sealed import Met, Sealed, meet_or_warn, met_in
from fesearch.structure import Structures

_SHOWN = 3  # compounds named in an error
_WILD = "the model gives no finite number"


@dataclass(frozen=True)
class Answer:
    """What a bundle says about n compounds.

    Attributes:
        value: (n,) in the unit of the target; NaN for those that lack something.
        spread: (n,) standard deviation between the members of an ensemble, or None.
        lacking: row -> why it has no prediction.
    """

    value: np.ndarray
    spread: np.ndarray | None
    lacking: Mapping[int, str]


@dataclass(frozen=True)
class Bundle:
    """An exported model, ready to predict; ``open_bundle`` makes one.

    Attributes:
        sets: the distinct feature sets of its members, side by side.
        columns: for each member, where its features are among those.
        predictors: for each member, one on each device.
        calibration: None where an older version exported.
        sealed: formulas of the test part; None where the card has no number of them.
        digest: SHA-256 hex of its sums: another one, another model.
    """

    card: Card
    sets: Combination
    columns: tuple[np.ndarray, ...]
    predictors: tuple[tuple[Predictor, ...], ...]
    calibration: Calibration | None
    sealed: Sealed | None
    digest: str

    def predict(
        self,
        formulas: Sequence[str],
        structures: Structures | None = None,
        numbers: Mapping[str, np.ndarray] | None = None,
        *,
        meet: Callable[[Met], None] | None = None,
    ) -> np.ndarray:
        """Predictions (n,) in ``card.unit`` for n compounds.

        Args:
            formulas: in any spelling.
            structures: of the n compounds, for a model that reads them.
            numbers: column -> (n,) numbers; at least ``card.columns``.
            meet: called with those that have a formula of the sealed test part, if any do; such as
                ``lambda met: print(fesearch.glance.recorded(bundle.card, met, url))``, which puts
                it on record. Without it there is a warning.

        Raises:
            InputError: the model reads what is not given, a formula cannot be read, or compounds
                have no features; the first of them are named.
        """
        answer = self.answer(formulas, structures, numbers)
        self.refuse_lacking(answer, formulas)
        met = met_in(self.sealed, map(formula.reduced, formulas))
        meet_or_warn(met, self.card.split.fingerprint, meet)
        return answer.value

    def answer(
        self,
        formulas: Sequence[str],
        structures: Structures | None = None,
        numbers: Mapping[str, np.ndarray] | None = None,
    ) -> Answer:
        """The same with its spread; compounds without features are no error.

        Nobody is told of compounds of the test part: that is up to the caller, see ``sealed``.

        Raises:
            InputError: the model reads what is not given, or a formula cannot be read.
        """
        self.refuse_without(structures=structures is not None, numbers=numbers or {})
        return self.answer_inputs(Inputs.of_formulas(formulas, structures, numbers))

    def answer_inputs(self, inputs: Inputs) -> Answer:
        """The same for rows that have all the model reads, their formulas reduced."""
        value = np.full(len(inputs), np.nan)
        blank = Answer(value, value.copy() if len(self.columns) > 1 else None, {})
        if not len(inputs):
            return blank
        matrix, lacking = self._computed(inputs)
        good = np.delete(np.arange(len(inputs)), list(lacking))
        if not good.size:
            return replace(blank, lacking=lacking)
        known = matrix if not lacking else matrix[good]
        value[good], found = self.of_features(known)
        if blank.spread is not None:
            blank.spread[good] = found
        wild = good[~np.isfinite(value[good])]
        value[wild] = np.nan
        return replace(blank, lacking={**lacking, **dict.fromkeys(wild.tolist(), _WILD)})

    def _computed(self, inputs: Inputs) -> Computed:
        """Features of rows; formulas that a set refuses lack theirs, as structures do."""
        try:
            return self.sets.compute(inputs)
        except InputError:
            sets = [term for term in self.sets.terms if term.needs == "formula"]
            refused = dict(pair for term in sets for pair in _refused(term, inputs.formulas))
            if not refused:
                raise
        rows = enumerate(inputs.formulas)
        fits = next((text for row, text in rows if row not in refused), None)
        if fits is None:
            return Computed(np.empty((len(inputs), 0), np.float32), refused)
        texts = [fits if row in refused else text for row, text in enumerate(inputs.formulas)]
        matrix, lacking = self.sets.compute(replace(inputs, formulas=texts))
        return Computed(matrix, {**lacking, **refused})

    def of_features(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Predictions (n,) and their spread, (n,) or None, for features (n, d) of its sets."""
        each = [
            _predicted(predictors, matrix if self._alike else np.take(matrix, columns, axis=1))
            for columns, predictors in zip(self.columns, self.predictors, strict=True)
        ]
        return mean_and_spread(each, [one.picks for one in self.card.members])

    def refuse_lacking(self, answer: Answer, formulas: Sequence[str]) -> None:
        """Refuse an answer that lacks predictions.

        Raises:
            InputError: the first compounds without features are named.
        """
        if answer.lacking:
            rows = sorted(answer.lacking)
            first = [f"{quoted(formulas[row])} ({answer.lacking[row]})" for row in rows[:_SHOWN]]
            more = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
            raise InputError(
                f"{len(rows)} of {counted(len(formulas), 'compound')} cannot be predicted: "
                f"{'; '.join(first)}{more}.",
                "Leave them out.",
            )

    def half_width(self, level: float, spread: np.ndarray | None) -> np.ndarray:
        """Half of the width of prediction intervals; see ``Calibration.half_width``.

        Raises:
            InputError: the model was exported without them, or as there.
        """
        if self.calibration is None:
            raise InputError(
                "The model has no prediction intervals: an older version of fesearch exported it.",
                "Export it again, or leave --interval out.",
            )
        return self.calibration.half_width(level, spread)

    def refuse_without(self, *, structures: bool, numbers: Container[str]) -> None:
        """Refuse to predict without what the model reads.

        Raises:
            InputError: it reads structures or a column, and there are none such.
        """
        if self.card.reads_structures and not structures:
            raise InputError(
                "The model reads crystal structures, and there are none.",
                "Give CIF files, or a file with a column of structures: "
                "--file in.csv --structure COL --to out.csv",
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

    @cached_property
    def _alike(self) -> bool:
        """Whether all members read all columns in their order."""
        everything = np.arange(len(self.sets.names))
        return all(np.array_equal(columns, everything) for columns in self.columns)


def open_bundle(folder: Path, devices: Sequence[str] = ("cpu",)) -> Bundle:
    """Read a bundle and check all of it.

    Args:
        devices: of torch, such as "cuda:0"; rows are divided among them. Families without a use
            for a GPU stay on the CPU.

    Raises:
        InputError: a file is missing, changed, unknown or not a plain file; the model is none;
            or its feature set is not the one installed here.
    """
    folders = bundlefiles.check(folder)
    card = read_card(folder / CARD)
    if len(folders) != len(card.members):
        raise InputError(
            f"The folder '{folder}' has {len(folders)} models, {CARD} lists {len(card.members)}.",
            HINT,
        )
    for name, member in zip(folders, card.members, strict=True):
        _check_programs(folder / name, member)
    calibration, sealed = _calibration(folder, card), _sealed(folder, card)
    read = [_combination(folder / CARD, member.features) for member in card.members]
    sets, columns = _joined(read)
    models = zip(folders, card.members, strict=True)
    predictors = tuple(_predictors(folder / name, member, devices) for name, member in models)
    digest = hashlib.sha256((folder / SUMS).read_bytes()).hexdigest()
    return Bundle(card, sets, columns, predictors, calibration, sealed, digest)


def _refused(
    term: FeatureSet, formulas: Sequence[str], first: int = 0
) -> Iterator[tuple[int, str]]:
    """The rows from the first one on whose formula a set refuses, and why: found by halves."""
    try:
        term.compute(Inputs(formulas))
    except InputError as error:
        half = len(formulas) // 2
        if half:
            yield from _refused(term, formulas[:half], first)
            yield from _refused(term, formulas[half:], first + half)
        else:
            yield first, error.message.rstrip(".")


def _predicted(predictors: Sequence[Predictor], matrix: np.ndarray) -> np.ndarray:
    """Predictions (n,), the rows divided among the devices."""
    if len(predictors) == 1:
        return predictors[0](matrix)
    parts = np.array_split(matrix, len(predictors))
    with ThreadPoolExecutor(len(predictors)) as pool:
        return np.concatenate(list(pool.map(lambda one, x: one(x), predictors, parts)))


def _predictors(folder: Path, member: Member, devices: Sequence[str]) -> tuple[Predictor, ...]:
    """The model in a folder, checked to be the one of the card, on each device."""
    model = FittedModel.load(folder)
    said = (member.trained.family, member.trained.config, member.width)
    if (model.family, model.config, model.width) != said:
        raise InputError(f"The model in {folder} is not the one that {CARD} describes.", HINT)
    used = devices if FAMILIES.get(model.family).gpu else ("cpu",)
    return tuple(model.predictor(device=device) for device in used)


def _check_programs(folder: Path, member: Member) -> None:
    """Refuse a model without the program of its card, or with another. None is ever opened."""
    said = None if member.program is None else PROGRAMS[member.program.kind]
    for name in PROGRAMS.values():
        path = _spoken_of(folder / name, name == said)
        if name == said and not path.exists():
            raise InputError(f"There is no file {path}, which {CARD} speaks of.", HINT)


def _calibration(folder: Path, card: Card) -> Calibration | None:
    """The calibration that the card speaks of, and no other."""
    said = card.intervals
    path = _spoken_of(folder / INTERVALS, said is not None)
    if said is None:
        return None
    if said.floor is not None and len(card.members) == 1:
        raise broken(f"In {CARD} 'intervals.floor' is {said.floor:g}, but one model has no spread.")
    return Calibration.from_arrays(read_arrays(path), rows=said.rows, floor=said.floor)


def _sealed(folder: Path, card: Card) -> Sealed | None:
    """The formulas of the test part that the card speaks of, and no others."""
    said = card.split.sealed
    path = _spoken_of(folder / SEALED, said is not None)
    return None if said is None else Sealed.from_arrays(read_arrays(path), formulas=said)


def _spoken_of(path: Path, said: bool) -> Path:
    """A path, of a file that is not there where the card does not speak of it."""
    if path.exists() and not said:
        raise broken(f"The file {path} is not one that {CARD} speaks of.")
    return path


def _combination(path: Path, features: Sequence[FeatureNames]) -> Combination:
    """The installed feature sets, if they give what the model was trained on."""
    combination = Combination.parse("+".join(one.name for one in features))
    said = [(one.name, one.needs) for one in features]
    if said != [(term.name, term.needs) for term in combination.terms]:
        raise InputError(f"In {path} 'features' is wrong: these are no such sets.", HINT)
    terms: list[FeatureSet] = []
    for term, wanted in zip(combination.terms, features, strict=True):
        found = term.naming(wanted.columns) if isinstance(term, ColumnFeatureSet) else term
        digest = found.digest()
        if digest == wanted.digest and found.names() != wanted.columns:
            raise InputError(
                f"In {path} 'features' is wrong: its columns are not those of '{wanted.name}'.",
                HINT,
            )
        if digest != wanted.digest:
            raise InputError(
                f"The model reads the features '{wanted.name}' {wanted.digest[:12]}, "
                f"but those installed are {digest[:12]}.",
                "Install the versions of matminer and pymatgen listed in its README.md.",
            )
        terms.append(found)
    return Combination(tuple(terms))


def _joined(read: Sequence[Combination]) -> tuple[Combination, tuple[np.ndarray, ...]]:
    """All distinct sets side by side, and where the columns of each combination are among them."""
    distinct = {term.digest(): term for one in read for term in one.terms}
    joined = Combination(tuple(distinct.values()))
    starts = count()
    at = {
        digest: np.array([next(starts) for _ in term.names()], np.intp)
        for digest, term in distinct.items()
    }
    columns = tuple(np.concatenate([at[term.digest()] for term in one.terms]) for one in read)
    return joined, columns
