"""From a study to all that its trials need, checked whole before the first of them."""

import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from fesearch import library
from fesearch.dataset import Dataset
from fesearch.errors import InputError
from fesearch.family import Family
from fesearch.featureset import Features, build
from fesearch.metrics import Metric
from fesearch.record import ResultKey
from fesearch.space import Space
from fesearch.split import Development, Split, make
from fesearch.store.types import Division, StudyRow
from fesearch.study import Study, from_keys

Progress = Callable[[int, int], None]
_PACKAGES = ("numpy", "optuna", "ray", "torch", "scikit-learn", "matminer", "pymatgen")


@dataclass(frozen=True)
class Prepared:
    """A study with its data, features and division in memory.

    Attributes:
        features: one row for each row of ``dataset``.
    """

    study: Study
    family: Family
    space: Space
    metric: Metric
    dataset: Dataset
    target: str
    features: Features
    split: Split

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
        split = self.split
        parts = len(split.train), len(split.val), len(split.test)
        return Division(self.dataset.hash, split.fingerprint, split.spec, *parts)

    @cached_property
    def development(self) -> Development:
        """Training and validation rows."""
        return self.split.development(self.features.matrix, self.dataset.target(self.target))


def prepare(study: Study, progress: Progress | None = None) -> Prepared:
    """Load data, build features (or take them from the cache) and divide.

    Args:
        progress: called with (compositions done, in all) while features are built.

    Raises:
        InputError: a key of the study names what is not there, or the data cannot be divided.
    """
    study.check()
    family = study.declared_family()
    rows = library.load(study.data)
    target = study.target or next(iter(rows.targets))
    rows.target(target)
    split = make(rows, study.split_spec())
    features = build(study.features or family.features, rows.reduced, progress=progress)
    return Prepared(
        study=study,
        family=family,
        space=study.search_space(),
        metric=study.declared_metric(),
        dataset=rows,
        target=target,
        features=features,
        split=split,
    )


def prepare_again(row: StudyRow, progress: Progress | None = None) -> Prepared:
    """What a stored study was started with.

    Raises:
        InputError: data, features or division are no longer what they were.
    """
    prepared = prepare(study_of(row), progress)
    now = {
        "data": (prepared.key.data, row.key.data),
        "division": (prepared.key.split, row.key.split),
        "features": (prepared.features.digest, row.features),
    }
    for what, (found, recorded) in now.items():
        if found != recorded:
            raise InputError(
                f"The {what} of '{row.name}' is {found[:12]} now and was {recorded[:12]} when it "
                "was started.",
                f"Restore '{row.definition['study']['data']}' and the package versions "
                f"(fesearch study show {row.name}), or start a new study.",
            )
    return prepared


def study_of(row: StudyRow) -> Study:
    """The resolved study a row was made from."""
    return from_keys(row.definition["study"], row.name)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages results depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    return found | {name: importlib.metadata.version(name) for name in ("fesearch", *_PACKAGES)}
