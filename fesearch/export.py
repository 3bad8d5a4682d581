"""From trials on record to a bundle that needs no database."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fesearch import modelcard, toml
from fesearch.bundlefiles import (
    CARD,
    INTERVALS,
    README,
    SEALED,
    SUMS,
    checksums,
    model_folders,
    study_files,
)
from fesearch.card import PROGRAMS, Card, ProgramKind
from fesearch.chosen import (
    Chosen,
    all_searched,
    one,
    searched,
    several,
    with_joined,
)
from fesearch.ensemble import mean_and_spread
from fesearch.errors import InputError
from fesearch.exportcard import card_of
from fesearch.family import FAMILIES
from fesearch.finalists import finalists
from fesearch.intervals import Calibration
from fesearch.paths import atomic_folder
from fesearch.record import TrialResult
from fesearch.sealed import Sealed
from fesearch.search.prepare import Prepared, Progress
from fesearch.store.results import Store
from fesearch.study import Study

HERE = ("address", "track", "warm_start", "own")
"""Keys of a study that only the place where it was searched knows."""


def export(
    name: str,
    url: str,
    to: Path,
    *,
    trial: int | None = None,
    ensemble: int | None = None,
    others: Sequence[str] = (),
    refit: bool = False,
    joined: bool = False,
    program: ProgramKind | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Card:
    """Write a model, or an ensemble of models, into a new folder, whole or not at all.

    Args:
        name: of a study, or of a search over many families, whose best model it is.
        url: of the store.
        to: a folder that is not there, or empty.
        trial: its number; the best by validation where None.
        ensemble: how many picks of the trials whose weights are kept it is to be the mean of.
        others: further studies of the same key, whose trials may be picked too.
        refit: train what is delivered once more, on the rows of all parts.
        joined: deliver the model, or the ensemble, that ``holdout(retrain=True)`` scored, trained
            on training and validation part.
        program: add each network as a file that runs without fesearch, once it is found to predict
            the same.
        device: torch's word for where it is trained.
        progress: of the features.

    Raises:
        StudyNotFoundError: there is none of that name.
        NoResultError: it has no usable trial.
        InputError: ``to`` is taken, there is no such trial, its weights are not kept, the studies
            do not go together, the data are not what they were, or a model has no program.
    """
    _refuse_taken(to)
    if ensemble is None and others:
        raise InputError(
            "Several studies make an ensemble, and a model is of one study.",
            "Give --ensemble 8, or one study.",
        )
    if ensemble is not None and trial is not None:
        raise InputError("--trial and --ensemble are both given.", "Give one of them.")
    if joined and refit:
        raise InputError(
            "What was scored is delivered, or what is trained on all rows.",
            "Give refit or joined, not both.",
        )
    with Store.open(url, create=False) as store:
        if ensemble is None:
            studies = [searched(store, _best(store, name, trial), trial, progress)]
        else:
            studies = all_searched(store, [name, *others], progress)
    look = None
    if ensemble is None:
        if program is not None:
            _refuse_programless(program, studies[0].trials[:1])
        chosen = one(studies[0], refitted=refit, device=device)
    else:
        chosen = several(studies, ensemble, refitted=refit, device=device)
    if joined:
        chosen, look = with_joined(chosen)
    if program is not None:
        chosen = _with_programs(chosen, program)
    sealed = _sealed(chosen[0].study.prepared, refit)
    mean, spread = mean_and_spread(
        [one.validation for one in chosen], [one.picks for one in chosen]
    )
    calibration = Calibration.of(chosen[0].study.prepared.development.val_y, mean, spread)
    card = card_of(chosen, calibration, spread, refit=refit, sealed=sealed, joined=look)
    try:
        with atomic_folder(to) as folder:
            _fill(folder, chosen, calibration, sealed, card)
    except OSError as error:
        raise InputError(
            f"The folder '{to}' cannot be written: {error.strerror}.", "Choose another --to."
        ) from error
    return card


def _best(store: Store, name: str, trial: int | None) -> str:
    """The study of that name, or that with the best trial of a search over many families."""
    rows = store.named([name])
    if len(rows) == 1:
        return rows[0].name
    if trial is not None:
        names = ", ".join(row.name for row in rows)
        raise InputError(
            f"'{name}' is a search over many families, and each numbers its trials: --trial "
            f"{trial} is one of any.",
            f"Name the study too: {names}",
        )
    return finalists(store, rows)[0][0].name


def _refuse_taken(to: Path) -> None:
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise InputError(
            f"'{to}' exists already and is not an empty folder.",
            "Choose another --to, or remove it.",
        )


def _refuse_programless(kind: ProgramKind, trials: Sequence[TrialResult]) -> None:
    from fesearch.nets.program import require_packages

    for trial in trials:
        if not FAMILIES.get(trial.family).program:
            names = ", ".join(name for name in FAMILIES.names() if FAMILIES.get(name).program)
            raise InputError(
                f"Trial {trial.number} is of the family '{trial.family}', which is no network and "
                "cannot be written as a program.",
                f"Leave --program out, or export one of {names}.",
            )
    require_packages(kind)


def _with_programs(chosen: Sequence[Chosen], kind: ProgramKind) -> list[Chosen]:
    """The same models, each with its program, compared on its validation rows."""
    from fesearch.nets.program import program_of

    _refuse_programless(kind, [member.trial for member in chosen])
    found = []
    for member in chosen:
        data = member.study.prepared.development
        scale = float(np.std(data.train_y)) or 1.0
        program = program_of(member.model.predictor(), kind, data.val_x, scale=scale)
        found.append(replace(member, program=program))
    return found


def _sealed(prepared: Prepared, refit: bool) -> Sealed | None:
    """The formulas of the test rows that were not learned, if there are any."""
    rows = prepared.sealed(refit=refit)
    return Sealed.of(prepared.dataset.reduced[row] for row in rows) if rows.size else None


def _fill(
    folder: Path,
    chosen: Sequence[Chosen],
    calibration: Calibration,
    sealed: Sealed | None,
    card: Card,
) -> None:
    """Write all files of a bundle, the sums last."""
    from safetensors.numpy import save

    for name, member in zip(model_folders(len(chosen)), chosen, strict=True):
        member.model.save(folder / name)
        if member.program is not None:
            (folder / name / PROGRAMS[member.program.kind]).write_bytes(member.program.content)
    (folder / INTERVALS).write_bytes(save(calibration.arrays()))
    if sealed is not None:
        (folder / SEALED).write_bytes(save(sealed.arrays()))
    studies = {member.study.row.name: member.study.prepared.study for member in chosen}
    texts = {CARD: card.model_dump_json(indent=2) + "\n", README: modelcard.render(card)}
    for name, study in zip(study_files(len(studies)), studies.values(), strict=True):
        texts[name] = _study_text(study)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / SUMS).write_text(checksums(folder), encoding="utf-8", newline="\n")


def _study_text(study: Study) -> str:
    """A study file that starts again elsewhere, which says what it lacks for that."""
    said = study.model_dump(mode="json")
    lacking = [key for key in HERE if said.pop(key)]
    note = f"# Without {', '.join(lacking)}, which only the place knows where it was searched.\n"
    return (note if lacking else "") + toml.dumps(said)
