"""A study as one file that can be read, ranked and trained again years later."""

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fesearch import __version__, predictions, toml
from fesearch import archivefile as form
from fesearch.archivefile import ArchiveFile, lines
from fesearch.errors import InputError, first_line
from fesearch.paths import artifacts_at, atomic_write, checked_name
from fesearch.store.results import Store

if TYPE_CHECKING:
    import numpy as np

    from fesearch.dataset import Dataset
    from fesearch.model import FittedModel
    from fesearch.search.prepare import Prepared, Progress
    from fesearch.store.types import StudyRow

_log = logging.getLogger(__name__)
_PARTS = ("train", "val", "test")


def write(
    name: str,
    url: str,
    to: Path,
    *,
    with_data: bool = False,
    progress: "Progress | None" = None,
) -> None:
    """Write a study into a new file, whole or not at all; the same study gives the same bytes.

    Predictions are those of trials whose weights are kept: of the validation part, and of the test
    part where the record has a look at the trial; and all that looks have left, which rankings
    compare row by row.

    Args:
        url: of the store.
        to: a file that is not there.
        with_data: all rows of the data set, not their hash alone.
        progress: of the features.

    Raises:
        StudyNotFoundError: there is none of that name.
        InputError: ``to`` exists or cannot be written, the study is being driven, or its data are
            not what they were.
    """
    from fesearch.search.prepare import prepare_again

    if to.exists():
        raise InputError(f"'{to}' exists already.", "Choose another --to, or remove it.")
    with Store.open(url, create=False) as store:
        row = store.study(name)
        store.refuse_driven(row)
        prepared = prepare_again(row, progress)
        store.record_division(prepared.division)
        tables = store.portable(name)
        models = _kept(store, row, prepared)
        looked = {number: models[number] for number in store.looks_at(row) if number in models}
    members: dict[str, str | Iterable[str]] = {
        form.README: _README,
        form.MANIFEST: _json({"fesearch": __version__, "study": name, "data": row.key.data}),
        form.STUDY: toml.dumps(prepared.study.model_dump(mode="json")),
        form.FEATURES: _json(_features(prepared)),
        form.ROWS: _membership(prepared),
        **{f"{form.TABLES}{table}.jsonl": lines(rows) for table, rows in tables.items()},
    }
    if models:
        members[form.VALIDATION] = _predictions(prepared, prepared.split.val, models)
    if looked:
        members[form.TEST] = _predictions(prepared, prepared.split.test, looked)
    if seen := list(_looks(row)):
        members[form.LOOKS] = lines(seen)
    if with_data:
        members |= {form.DATA: _json(_notes(prepared.dataset)), form.DATA_ROWS: _data(prepared)}
    try:
        with atomic_write(to) as path:
            form.write(path, members)
    except OSError as error:
        raise InputError(
            f"'{to}' cannot be written: {error.strerror}.", "Choose another --to."
        ) from error


@contextmanager
def opened(path: Path) -> Iterator[tuple[str, str]]:
    """A store with the study of an archive and what looks have left, as long as it lasts.

    Yields:
        its URL, and the name of the study.

    Raises:
        InputError: it is no archive, or damaged.
    """
    with ArchiveFile(path) as archive, tempfile.TemporaryDirectory(prefix="fesearch-") as folder:
        tables = archive.tables()
        identity = _check_study(archive, tables["studies"])
        url = f"sqlite:///{folder}/archive.db"
        with Store.open(url) as store:
            [name] = store.receive([tables])
        with artifacts_at(Path(folder)):
            if form.LOOKS in archive:
                _restore_looks(archive, predictions.holdout_folder(identity))
            yield url, name


def data(path: Path) -> "Dataset | None":
    """The data set in an archive; None where there is its hash alone.

    Raises:
        InputError: it is no archive, or damaged, or the rows are none of a data set.
    """
    from fesearch.dataset import Step, make
    from fesearch.structure import Structures

    with ArchiveFile(path) as archive:
        if form.DATA not in archive:
            return None
        notes, rows = archive.json(form.DATA), archive.rows(form.DATA_ROWS)
        try:
            return make(
                notes["name"],
                [row["formula"] for row in rows],
                {name: [row["targets"][name] for row in rows] for name in notes["targets"]},
                notes["targets"],
                ids=[row["id"] for row in rows],
                columns={name: [row["columns"][name] for row in rows] for name in notes["columns"]},
                numbers={
                    name: [
                        float("nan") if row["numbers"][name] is None else row["numbers"][name]
                        for row in rows
                    ]
                    for name in notes["numbers"]
                },
                structures=Structures.of(row["structure"] for row in rows)
                if notes["structures"]
                else None,
                steps=[Step(**step) for step in notes["steps"]],
                **{note: str(notes[note]) for note in ("title", "source", "licence", "citation")},
            )
        except (LookupError, TypeError, ValueError, AttributeError, InputError) as error:
            why = error.message if isinstance(error, InputError) else first_line(error)
            raise archive.damaged(f"'{form.DATA_ROWS}' is no data set ({why})") from None


def _check_study(archive: ArchiveFile, studies: Sequence[Mapping[str, Any]]) -> str:
    """Refuse what a store takes and a ranking cannot use.

    Returns:
        the name of the study's folder among the artifacts.
    """
    if len(studies) != 1:
        raise archive.damaged(f"it has {len(studies)} studies")
    definition = studies[0].get("definition")
    study = definition.get("study") if isinstance(definition, dict) else None
    words = ("data", "family")
    if not isinstance(study, dict) or not all(isinstance(study.get(word), str) for word in words):
        raise archive.damaged("its study has no data or no family")
    try:
        return checked_name("folder of a study", str((definition or {})["folder"]))
    except (LookupError, InputError) as error:
        raise archive.damaged(f"its study has no folder ({first_line(error)})") from None


def _looks(row: "StudyRow") -> Iterator[dict[str, Any]]:
    """Predictions of test rows that looks have left, by the names of their files."""
    from fesearch.search.folder import identity

    folder = predictions.holdout_folder(identity(row))
    for path in sorted(folder.glob(f"*{predictions.SUFFIX}")):
        found = predictions.kept(identity(row), path.name)
        if found is not None:
            yield {"name": path.name, **{key: a.tolist() for key, a in vars(found).items()}}


def _restore_looks(archive: ArchiveFile, folder: Path) -> None:
    """Lay predictions out as they were; the name of each is made of its content."""
    import numpy as np

    kinds = {"rows": np.int64, "truth": np.float64, "predicted": np.float64, "groups": np.int64}
    for kept in archive.rows(form.LOOKS):
        try:
            arrays = {key: np.array(kept[key], kind) for key, kind in kinds.items()}
            name = predictions.Predictions(**arrays).save(folder)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            why = first_line(error)
            raise archive.damaged(f"'{form.LOOKS}' has no predictions ({why})") from None
        if name != kept["name"]:
            raise archive.damaged(f"'{form.LOOKS}' is not what was kept as {kept['name']!r}")


def _kept(store: Store, row: "StudyRow", prepared: "Prepared") -> "dict[int, FittedModel]":
    """The models of the trials whose weights are kept, by number."""
    from fesearch.finalists import kept_model
    from fesearch.search.folder import model_folder

    found = {}
    for trial in store.trials(row):
        if trial.state.usable and model_folder(row, trial.number).is_dir():
            try:
                found[trial.number] = kept_model(row, prepared, trial)
            except InputError as error:
                _log.warning("Without predictions of trial %d: %s", trial.number, error.message)
    return found


def _predictions(
    prepared: "Prepared", part: "np.ndarray", models: "Mapping[int, FittedModel]"
) -> Iterator[str]:
    """CSV: row id, true value and a column a trial, in the unit of the target."""
    ids, truth = prepared.dataset.ids, prepared.dataset.target(prepared.target)
    features = prepared.features.matrix[part].astype("float32")
    predicted = {number: model.predict(features) for number, model in models.items()}
    yield _csv(["id", prepared.target, *(f"trial {number}" for number in predicted)])
    for place, row in enumerate(part.tolist()):
        values = [float(column[place]) for column in predicted.values()]
        yield _csv([ids[row], repr(float(truth[row])), *map(repr, values)])


def _membership(prepared: "Prepared") -> Iterator[str]:
    """CSV: each row of the data set and its part, empty where it plays none."""
    part = {}
    for name in _PARTS:
        part.update(dict.fromkeys(getattr(prepared.split, name).tolist(), name))
    yield _csv(["id", "part"])
    for row, row_id in enumerate(prepared.dataset.ids):
        yield _csv([row_id, part.get(row, "")])


def _features(prepared: "Prepared") -> dict[str, Any]:
    features = prepared.features
    return {"name": features.name, "digest": features.digest, "columns": list(features.names)}


def _notes(dataset: "Dataset") -> dict[str, Any]:
    return {
        "name": dataset.name,
        "hash": dataset.hash,
        "targets": dict(dataset.units),
        "columns": list(dataset.columns),
        "numbers": list(dataset.numbers),
        "structures": dataset.structures is not None,
        "steps": [vars(step) for step in dataset.steps],
        "title": dataset.title,
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
    }


def _data(prepared: "Prepared") -> Iterator[str]:
    """A line a row of the data set."""
    dataset = prepared.dataset
    numbers = {name: column.tolist() for name, column in dataset.numbers.items()}
    targets = {name: column.tolist() for name, column in dataset.targets.items()}
    texts = dataset.structures and dataset.structures.texts(range(len(dataset)))
    for place, row_id in enumerate(dataset.ids):
        row: dict[str, Any] = {
            "id": row_id,
            "formula": dataset.formulas[place],
            "targets": {name: column[place] for name, column in targets.items()},
            "columns": {name: column[place] for name, column in dataset.columns.items()},
            "numbers": {
                name: None if column[place] != column[place] else column[place]
                for name, column in numbers.items()
            },
        }
        if texts:
            row["structure"] = next(texts)
        yield from lines([row])


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(cells: Iterable[str]) -> str:
    """A line of CSV; cells with commas, quotes or line ends are in quotes (RFC 4180)."""
    return ",".join(map(_cell, cells)) + "\n"


def _cell(text: str) -> str:
    special = any(sign in text for sign in ',"\r\n')
    return '"' + text.replace('"', '""') + '"' if special else text


_README = """\
An archive of a hyperparameter search by fesearch.

archive.json                format, version, hash of the data, SHA-256 of every other member
study.toml                  the study as it was asked for, in full
features.json               the features its models read: name, digest, columns
rows.csv                    the part of each row of the data: train, val, test, or none
tables/trials.jsonl         configs, seeds, states, values, reasons
tables/reports.jsonl        curves: a line a report, in the order of decision, with the decision
tables/studies.jsonl        the study, with the package versions it ran with
tables/looks.jsonl          looks at the test part
tables/…                    divisions and keys that the numbers belong to, configs that wait
predictions/validation.csv  of the trials whose weights were kept
predictions/test.csv        of those that were scored on the test part, on record
predictions/looks.jsonl     what each look predicted, which rankings compare row by row
data.json, data.jsonl       the data, if they were asked for

To rank it again:        fesearch rank --from FILE
To train it again:       fesearch study replay FILE
"""
