"""The user's own files that a study needs: recorded by hash, copied, and run again as they were.

Recorded are the path and the SHA-256 of each; a copy is in the study's folder. What the record
names is run only if its content has that hash.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fesearch.errors import InputError
from fesearch.own import Source, mentioned, run
from fesearch.paths import atomic_write
from fesearch.registry import DIGITS
from fesearch.search.folder import study_folder
from fesearch.store.types import StudyRow
from fesearch.study import Study

FOLDER = "own"
_SHOWN = 12  # digits of a hash in messages


def recorded(study: Study) -> list[dict[str, str]]:
    """What the store keeps of each file: path and SHA-256."""
    return [{"path": str(one.path), "sha256": one.sha256} for one in study.own_sources()]


def keep(row: StudyRow, study: Study) -> None:
    """Copy the files of a study into its folder, as they were run."""
    for source in study.own_sources():
        with atomic_write(_copy(row, source.path, source.sha256)) as path:
            path.write_bytes(source.text.encode("utf-8"))


def run_recorded(row: StudyRow) -> None:
    """Run what a stored study was started with: the files if they are unchanged, or the copies.

    Raises:
        InputError: neither is as it was.
    """
    for path, sha256 in _records(row):
        copy = _copy(row, path, sha256)
        found = _unchanged(path, sha256) or _unchanged(copy, sha256)
        if found is None:
            raise InputError(
                f"The study '{row.name}' needs the file '{path}' of sha256 {sha256[:_SHOWN]}, and "
                f"neither that file nor its copy '{copy}' is it.",
                "Restore the file, or start a new study.",
            )
        run(found)


def refuse_changed(row: StudyRow) -> None:
    """Refuse to go on with a study whose files are not as they were when it was started.

    Raises:
        InputError: one is gone or changed; the hint says where the copy is.
    """
    for path, sha256 in _records(row):
        if _unchanged(path, sha256) is None:
            now = f"{Source.read(path).sha256[:_SHOWN]} now" if path.exists() else "gone"
            raise InputError(
                f"The file '{path}' is {now} and was {sha256[:_SHOWN]} when '{row.name}' was "
                "started.",
                f"Restore it (cp '{_copy(row, path, sha256)}' '{path}'), or start a new study.",
            )


def refuse_not_run(row: StudyRow) -> None:
    """Refuse a study whose files have not been run in this process.

    Raises:
        InputError: one has not; the hint says how to give it.
    """
    for path, sha256 in _records(row):
        if all(one.sha256 != sha256 for one in mentioned(f"@{sha256[:DIGITS]}")):
            raise InputError(
                f"The study '{row.name}' needs the file '{path.name}' of sha256 {sha256[:_SHOWN]}.",
                "Look at it, for it is run, and give it: --family-file FILE.py",
            )


def _records(row: StudyRow) -> Iterator[tuple[Path, str]]:
    """Path and SHA-256 of each file on record."""
    records: list[Mapping[str, str]] = row.definition.get("own", [])
    for record in records:
        yield Path(record["path"]), record["sha256"]


def _copy(row: StudyRow, path: Path, sha256: str) -> Path:
    """Where the copy of a file is."""
    return study_folder(row) / FOLDER / sha256[:_SHOWN] / path.name


def _unchanged(path: Path, sha256: str) -> Source | None:
    """A file, if it is there with that hash."""
    try:
        found = Source.read(path)
    except InputError:
        return None
    return found if found.sha256 == sha256 else None
