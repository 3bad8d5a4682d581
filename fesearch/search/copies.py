"""All studies of one database in another: their rows, their files, what people look at."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna

from fesearch.errors import InputError, first_line
from fesearch.paths import studies_dir
from fesearch.search.folder import (
    BORROWED,
    FOLDER,
    SCRATCH,
    hidden_folder,
    new_folder,
)
from fesearch.search.mirror import MARK, in_database, refuse_taken
from fesearch.store import upkeep
from fesearch.store.results import Store
from fesearch.store.transfer import Tables

_NEVER_CHANGED = ".safetensors"
"""Files that are only ever replaced as a whole, so that two studies can have the same one."""


def copy(url: str, to: str) -> list[str]:
    """Copy all studies into another database, empty or not, each with files of its own.

    What is removed on one side stays on the other; until then both have the same weights on disk,
    by hard links, where the file system knows them. Our tables are copied whole or not at all,
    Optuna's after them: what lacks there is written when a study is resumed.

    Returns:
        the names of the studies.

    Raises:
        InputError: see ``upkeep.copy``; somebody else has an Optuna study of a name there; or
            the files cannot be written. Nothing was copied.
    """
    with Store.look(url) as store:
        for row in store.study_rows():
            refuse_taken(to, row.name)
    with _files() as files:
        names = upkeep.copy(url, to, files.given)
    there, here = in_database(url), in_database(to)
    try:
        known = {summary.study_name for summary in optuna.get_all_study_summaries(there)}
        for name in names:
            if name in known:
                optuna.copy_study(from_study_name=name, from_storage=there, to_storage=here)
                copied = here.get_study_id_from_name(name)
                here.set_study_user_attr(copied, MARK, files.identities[name])
    finally:
        for storage in (there, here):
            storage.engine.dispose()
    return names


class _Files:
    """Files of copies, hidden until the rows of all of them are in the database.

    Attributes:
        identities: name -> what tells the copy from all other studies.
    """

    def __init__(self) -> None:
        self.identities: dict[str, str] = {}

    def given(self, tables: Tables) -> Tables:
        """A study with a folder of its own, in which are the files it has elsewhere."""
        [row] = tables["studies"]
        name, definition = row["name"], dict(row["definition"])
        definition.pop(BORROWED, None)
        self.identities[name] = new_folder(name)
        folder = hidden_folder(self.identities[name])
        try:
            _bring(studies_dir() / definition[FOLDER], folder)
        except OSError as error:
            raise InputError(
                f"The files of '{name}' cannot be copied: {error.strerror or first_line(error)}.",
                f"Make room in {folder.parent}, then type the command again.",
            ) from error
        definition[FOLDER] = self.identities[name]
        return {**tables, "studies": [{**row, "definition": definition}]}

    def show(self) -> None:
        for identity in self.identities.values():
            with suppress(FileNotFoundError):  # a study without files
                hidden_folder(identity).rename(studies_dir() / identity)

    def remove(self) -> None:
        for identity in self.identities.values():
            shutil.rmtree(hidden_folder(identity), ignore_errors=True)


@contextmanager
def _files() -> Iterator[_Files]:
    files = _Files()
    try:
        yield files
    except BaseException:
        files.remove()
        raise
    files.show()


def _bring(folder: Path, to: Path) -> None:
    """Put the files of one folder into another one; its study may be running.

    Those that it removes meanwhile are not of its best any more, and those half written no loss.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(SCRATCH)]
        there = to / Path(place).relative_to(folder)
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not name.startswith("."):
                with suppress(FileNotFoundError):
                    _bring_file(Path(place, name), there / name)


def _bring_file(file: Path, to: Path) -> None:
    if file.suffix == _NEVER_CHANGED:
        try:
            os.link(file, to)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links, or with too many to this file
            pass
        else:
            return
    shutil.copy2(file, to)
