"""From a trial on record to a bundle that needs no database."""

from collections import Counter
from pathlib import Path

from fesearch import formula, modelcard, toml
from fesearch.bundle import (
    CARD,
    MODEL,
    README,
    STUDY,
    SUMS,
    Card,
    Data,
    FeatureNames,
    Parts,
    Trained,
    Unsealed,
    Validation,
    checksums,
)
from fesearch.errors import InputError
from fesearch.finalists import kept_model, ranked
from fesearch.model import FittedModel
from fesearch.paths import atomic_folder
from fesearch.record import TrialResult
from fesearch.search.prepare import Prepared, Progress, prepare_again
from fesearch.store.results import Store
from fesearch.store.types import Look, StudyRow
from fesearch.study import Study


def export(
    name: str, url: str, to: Path, *, trial: int | None = None, progress: Progress | None = None
) -> Card:
    """Write the model of a trial into a new folder, whole or not at all.

    Args:
        url: of the store.
        to: a folder that is not there, or empty.
        trial: its number; the best by validation where None.
        progress: of the features.

    Raises:
        StudyNotFoundError: there is none of that name.
        NoResultError: it has no usable trial.
        InputError: ``to`` is taken, there is no such trial, its weights are not kept, or the data
            are not what they were.
    """
    _refuse_taken(to)
    with Store.open(url, create=False) as store:
        row = store.study(name)
        chosen = ranked(store, row)[0] if trial is None else store.trial(row, trial)
        look = store.looks_at(row).get(chosen.number)
    prepared = prepare_again(row, progress)
    model = kept_model(row, prepared, chosen)
    card = _card(row, prepared, chosen, look)
    try:
        with atomic_folder(to) as folder:
            _fill(folder, model, card, prepared.study)
    except OSError as error:
        raise InputError(
            f"The folder '{to}' cannot be written: {error.strerror}.", "Choose another --to."
        ) from error
    return card


def _refuse_taken(to: Path) -> None:
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise InputError(
            f"'{to}' exists already and is not an empty folder.",
            "Choose another --to, or remove it.",
        )


def _fill(folder: Path, model: FittedModel, card: Card, study: Study) -> None:
    """Write all files of a bundle, the sums last."""
    model.save(folder / MODEL)
    texts = {
        CARD: card.model_dump_json(indent=2) + "\n",
        STUDY: toml.dumps(study.model_dump(mode="json")),
        README: modelcard.render(card),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / SUMS).write_text(checksums(folder), encoding="utf-8", newline="\n")


def _card(row: StudyRow, prepared: Prepared, trial: TrialResult, look: Look | None) -> Card:
    assert trial.value is not None, "kept_model refuses a trial without a value"
    data, split, y = prepared.dataset, prepared.split, prepared.development.train_y
    test = Unsealed(rows=look.rows, looks=look.sequence, scores=dict(look.scores)) if look else None
    return Card(
        trained=_trained(row, trial),
        target=prepared.target,
        unit=data.units[prepared.target],
        target_range=(float(y.min()), float(y.max())),
        elements=_elements(prepared),
        features=tuple(
            FeatureNames(
                name=term.name, needs=term.needs, digest=term.digest(), columns=term.names()
            )
            for term in prepared.features.combination.terms
        ),
        data=Data(
            name=data.name,
            hash=data.hash,
            title=data.title,
            source=data.source,
            licence=data.licence,
            citation=data.citation,
        ),
        split=Parts(
            spec=split.spec,
            fingerprint=split.fingerprint,
            train=len(split.train),
            val=len(split.val),
            test=len(split.test),
        ),
        validation=Validation(
            metric=row.key.metric, unit=row.unit, direction=row.direction, value=trial.value
        ),
        test=test,
        versions=dict(row.versions),
    )


def _trained(row: StudyRow, trial: TrialResult) -> Trained:
    return Trained(
        study=row.name,
        trial=trial.number,
        family=trial.family,
        config=dict(trial.config),
        seed=trial.seed,
        resource=trial.resource,
        best_resource=trial.best_resource,
        unit=trial.unit,
        seconds=trial.seconds,
        parameters=trial.parameters,
    )


def _elements(prepared: Prepared) -> dict[str, int]:
    """Symbol -> training rows that contain it, in alphabetical order."""
    reduced = prepared.dataset.reduced
    rows = prepared.split.train
    counts = Counter(symbol for row in rows for symbol in formula.symbols(reduced[row]))
    return dict(sorted(counts.items()))
