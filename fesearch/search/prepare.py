"""From a study to all that its trials need, checked whole before the first of them."""

import importlib.metadata
import logging
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fesearch import hardware, library
from fesearch.classical import affordable
from fesearch.configs import written
from fesearch.dataset import Dataset
from fesearch.duration import duration
from fesearch.errors import InputError, UnsuitedError
from fesearch.family import FAMILIES, Family
from fesearch.features import Features, available, build
from fesearch.featureset import FEATURE_SETS, Inputs
from fesearch.metrics import ALL_METRICS, Metric
from fesearch.record import ResultKey
from fesearch.registry import PlugIn
from fesearch.search import room, sources
from fesearch.space import Space
from fesearch.split import Development, Repeated, Split, fingerprint, make, members
from fesearch.splitspec import OUTSIDE, SplitSpec
from fesearch.statistics import in_blocks
from fesearch.store.types import Division, StudyRow
from fesearch.study import Study, from_keys

Progress = Callable[[int, int], None]
_PACKAGES = ("numpy", "optuna", "ray", "torch", "scikit-learn", "matminer", "pymatgen")
_log = logging.getLogger(__name__)
_SHOWN = 3  # rows named in an error
_FEWEST_TO_TRAIN = 2  # one row has no spread to scale features and target by
FEW_ROWS, MANY_TRIALS = 3000, 100
"""Training rows below which, and trials from which on, a search fits its validation part."""
_FOLDS = 5


@dataclass(frozen=True)
class Prepared:
    """A study with its data, features and division in memory.

    Attributes:
        study: resolved.
        features: one row for each row of ``dataset``.
        split: what trials are trained and validated on.
        repeated: the division that ``split`` is a member of or outside of, if it is.
    """

    study: Study
    family: Family
    space: Space
    metric: Metric
    dataset: Dataset
    target: str
    features: Features
    split: Split
    repeated: Repeated | None

    @property
    def key(self) -> ResultKey:
        """What the study's numbers belong to."""
        return ResultKey(self.dataset.hash, self.target, self.metric.name, self.split.fingerprint)

    @property
    def unit(self) -> str:
        """Of the metric, such as "eV/atom"."""
        return self.metric.in_unit(self.dataset.units[self.target])

    @property
    def division(self) -> Division:
        """The division as the store remembers it."""
        return _division(self.dataset, self.split)

    @property
    def siblings(self) -> tuple[Division, Sequence[Division]] | None:
        """The repeated division and all its members, where the study is on or outside them."""
        return None if self.repeated is None else divisions(self.dataset, self.repeated)

    def sealed(self, *, refit: bool = False) -> np.ndarray:
        """Rows of test parts that its models have not learned, (k,) places in the data set.

        They are those of its division, or of a study outside the test parts of several divisions
        those of all of them.

        Args:
            refit: a model was trained once more, on all rows of the division.
        """
        if self.split.test.size or self.repeated is None:
            return self.split.test[:0] if refit else self.split.test
        return np.unique(np.concatenate([one.test for one in self.repeated.members]))

    @cached_property
    def development(self) -> Development:
        """Training and validation rows."""
        found = self.split.development(self.features.matrix, self.dataset.target(self.target))
        formulas = [self.dataset.reduced[row] for row in self.split.scored_rows]
        return replace(found, groups=in_blocks(np.array(formulas)))


def log_few_rows(prepared: Prepared, trials: int) -> None:
    """Log what to type where so many trials would fit a small validation part."""
    split, spec = prepared.split, prepared.study.split_spec()
    if split.folds is None and len(split.train) < FEW_ROWS and trials >= MANY_TRIALS:
        _log.warning(
            "%d trials would fit the %d validation rows more than the data.\n"
            "To score configs on inner folds of the %d training rows type: --split %s",
            trials,
            len(split.val),
            len(split.train),
            replace(spec, folds=_FOLDS),
        )


def prepare(
    study: Study,
    progress: Progress | None = None,
    rows: Dataset | None = None,
    *,
    new: bool = True,
) -> Prepared:
    """Load data, build features (or take them from the cache) and divide.

    Args:
        progress: called with (compositions done, in all) while features are built.
        rows: the data set, where it is not to be loaded by its name.
        new: nothing of it has been trained, so its trials are to be affordable here and now.

    Raises:
        InputError: a key of the study names what is not there, the data cannot be divided, a part
            has too few rows, or rows of the division have no features.
        UnsuitedError: the family cannot be trained on them.
    """
    study.check(new=new)
    family = study.declared_family()
    rows = library.load(study.data) if rows is None else rows
    target = study.target or next(iter(rows.targets))
    rows.target(target)
    spec = study.split_spec()
    repeated, split = _divided(rows, spec, target, progress)
    _refuse_too_few(split, rows.target(target), study.declared_metric())
    study = study.resolved(target)
    features = build(study.features or family.features, Inputs.of(rows), progress)
    _refuse_lacking(rows, spec, split, features)
    prepared = Prepared(
        study=study,
        family=family,
        space=study.search_space(),
        metric=study.declared_metric(),
        dataset=rows,
        target=target,
        features=features,
        split=split,
        repeated=repeated,
    )
    try:
        family.suits(family.first(prepared.space), prepared.development)
        if new:
            trials = 1 if study.address else room.parallel(study, hardware.cores())
            affordable.refuse_too_costly(family, prepared.space, prepared.development, trials)
            if study.trial_time_limit is not None:
                limit = duration(study.trial_time_limit)
                affordable.refuse_too_long(family, prepared.space, prepared.development, limit)
    except InputError as error:
        raise UnsuitedError(error.message, error.hint) from None
    return prepared


def prepare_again(
    row: StudyRow,
    progress: Progress | None = None,
    *,
    study: Study | None = None,
    rows: Dataset | None = None,
    afford: bool = False,
) -> Prepared:
    """What a stored study was started with.

    Args:
        progress, rows: see ``prepare``.
        study: of the row, where it is not ``study_of`` it.
        afford: its trials are to be affordable here and now, as those of a new one.

    Raises:
        InputError: data, unit, division or features are no longer what they were.
    """
    prepared = prepare(study or study_of(row), progress, rows, new=afford)
    now = {
        "data": (prepared.key.data[:12], row.key.data[:12]),
        "unit": (prepared.unit, row.unit),
        "division": (prepared.key.split[:12], row.key.split[:12]),
        "features": (prepared.features.digest[:12], row.features[:12]),
    }
    for what, (found, recorded) in now.items():
        if found != recorded:
            raise InputError(
                f"The {what} of '{row.name}' is {found} now and was {recorded} when it was "
                "started.",
                f"Restore '{row.definition['study']['data']}' and the package versions "
                f"(fesearch study show {row.name}), or start a new study.",
            )
    return prepared


def divisions(rows: Dataset, repeated: Repeated) -> tuple[Division, Sequence[Division]]:
    """A repeated division and all its members, as the store remembers them."""
    parts = [_division(rows, split) for split in repeated.members]
    whole = replace(parts[0], fingerprint=repeated.fingerprint, spec=repeated.spec)
    return replace(whole, test=None), parts


def study_of(row: StudyRow) -> Study:
    """The resolved study a row was made from, of the target its numbers belong to.

    The user's own files that it was started with are run for it.

    Raises:
        InputError: one of them is nowhere as it was; see ``sources.run_recorded``.
    """
    sources.run_recorded(row)
    return stored_study(row)


def archived_study(row: StudyRow) -> Study:
    """The same of a study from elsewhere: nothing is run because its record names it.

    Raises:
        InputError: it needs a file of the user's own that has not been run; or its settings are
            none.
    """
    sources.refuse_not_run(row)
    return stored_study(row)


def stored_study(row: StudyRow) -> Study:
    """The resolved study of a row, whose family is known.

    One that was stored before there was a key ``first`` tried the best config alone.
    """
    keys = row.definition["study"]
    study = from_keys(keys, row.name).resolved(row.key.target)
    if "first" in keys:
        return study
    best = study.declared_family().first(study.search_space())
    return study.model_copy(update={"first": [written(best)]})


def _divided(
    rows: Dataset, spec: SplitSpec, target: str, progress: Progress | None
) -> tuple[Repeated | None, Split]:
    """The division trials are to see, and the repeated one it is a member of."""

    def having(name: str) -> np.ndarray:
        return available(name, rows, progress)

    if spec.member is None:
        return None, make(rows, spec, target=target, having=having)
    if spec.member == OUTSIDE:
        outside = make(rows, spec, target=target, having=having)
        return members(rows, spec, target=target, having=having), outside
    repeated = members(rows, spec, target=target, having=having)
    return repeated, repeated.members[spec.member]


def _refuse_too_few(split: Split, values: np.ndarray, metric: Metric) -> None:
    """Refuse a division on which no trial could be trained, or have a score."""
    if len(split.train) < _FEWEST_TO_TRAIN:
        raise InputError(
            f"The division {split.spec} has {len(split.train)} row to train on.",
            f"Choose a --split with {_FEWEST_TO_TRAIN} or more, or data of more rows.",
        )
    asked = values[split.val]
    if metric.spread and (asked == asked[0]).all():
        raise InputError(
            f"The {metric.title} of the validation part is not defined: its target is {asked[0]:g} "
            f"in {'its one row' if len(asked) == 1 else f'all {len(asked)} rows'}.",
            "Give --metric mae, or a --split with more rows to validate on.",
        )


def _refuse_lacking(rows: Dataset, spec: SplitSpec, split: Split, features: Features) -> None:
    """Refuse a division with rows that have no features: to leave them out must be declared."""
    used = np.concatenate([split.train, split.val, split.test]).tolist()
    lacking = [row for row in sorted(used) if row in features.lacking]
    if lacking:
        first = [f"{rows.ids[row]} ({features.lacking[row]})" for row in lacking[:_SHOWN]]
        more = f"; and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise InputError(
            f"{len(lacking)} of the {len(used)} rows of the division lack the features "
            f"'{features.name}': {'; '.join(first)}{more}.",
            f"Divide the rows that have them: --split {replace(spec, rows=features.name)}",
        )


def _division(rows: Dataset, split: Split) -> Division:
    parts = len(split.train), len(split.val), len(split.test)
    ids = [rows.ids[row] for row in split.test]
    test = fingerprint(ids, ["test"] * len(ids)) if ids else None
    return Division(rows.hash, split.fingerprint, split.spec, *parts, test)


def versions(prepared: Prepared) -> dict[str, str]:
    """Versions of Python and of the packages results depend on, plug-ins of the study included."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    found |= {name: importlib.metadata.version(name) for name in ("fesearch", *_PACKAGES)}
    return found | {one.package: one.version for one in _plug_ins(prepared)}


def _plug_ins(prepared: Prepared) -> list[PlugIn]:
    """The installed packages that declare the study's family, metric or feature sets."""
    terms = [term.name.partition(":")[0] for term in prepared.features.combination.terms]
    found = (
        FAMILIES.plug_in(prepared.family.name),
        ALL_METRICS.plug_in(prepared.metric.name),
        *map(FEATURE_SETS.plug_in, terms),
    )
    return [one for one in found if one is not None]
