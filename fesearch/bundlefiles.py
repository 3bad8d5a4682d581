"""The files of a bundle: what they are called, and that they are those that were exported."""

import hashlib
import stat
from collections.abc import Container, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from fesearch.card import HINT, MOST, PROGRAMS
from fesearch.errors import InputError
from fesearch.model import DESCRIPTION, WEIGHTS

CARD, STUDY, README, SUMS = "fesearch.json", "study.toml", "README.md", "SHA256SUMS"
MODEL = "model"
INTERVALS, SEALED = "intervals.safetensors", "sealed.safetensors"
FILES = tuple(sorted((CARD, STUDY, README, f"{MODEL}/{DESCRIPTION}", f"{MODEL}/{WEIGHTS}")))
"""What every bundle has, beside the sums of all its files."""


def is_model(folder: Path | str) -> bool:
    """Whether that is the folder of an exported model, and no name of a study."""
    return (Path(folder) / CARD).is_file()


def model_folders(number: int) -> list[str]:
    """What the folders of so many models are called: model, model-2, model-3 …"""
    return [MODEL, *(f"{MODEL}-{place}" for place in range(2, number + 1))]


def study_files(number: int) -> list[str]:
    """What the files of so many studies are called: study.toml, study-2.toml …"""
    return [STUDY, *(f"study-{place}.toml" for place in range(2, number + 1))]


def checksums(folder: Path) -> str:
    """The text of ``SHA256SUMS``, as ``sha256sum`` prints it for all other files."""
    names = sorted(name for name, mode in _walk(folder) if not stat.S_ISDIR(mode) and name != SUMS)
    return "".join(f"{_sha256(folder / name)}  {name}\n" for name in names)


def check(folder: Path) -> list[str]:
    """Refuse a folder that is not exactly the files of a bundle and their sums.

    No file is read before. Whatever names the sums or the card have, no path is made of them.

    Returns:
        the names of the folders with models.

    Raises:
        InputError: a file is missing, changed, unknown or not a plain file.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder '{folder}'.", "Give one that fesearch export wrote.")
    found = dict(_walk(folder))
    folders = _numbered(model_folders(MOST), found)
    inside = {f"{one}/{name}" for one in folders for name in (DESCRIPTION, WEIGHTS)}
    required = {SUMS, *FILES, *folders, *inside}
    programs = {f"{one}/{name}" for one in folders for name in PROGRAMS.values()}
    optional = {INTERVALS, SEALED, *_numbered(study_files(MOST), found), *programs}
    for name, mode in sorted(found.items()):
        plain = stat.S_ISDIR(mode) if name in folders else stat.S_ISREG(mode)
        if name not in required | optional:
            raise InputError(
                f"The folder '{folder}' has '{name}', which is no part of an exported model.",
                "Move it elsewhere, if you know what it is.",
            )
        if not plain:
            raise InputError(f"'{folder / name}' is a link or no plain file.", HINT)
    for name in sorted(required - found.keys()):
        raise InputError(
            f"The folder '{folder}' lacks the file '{name}' of an exported model.", HINT
        )
    _check_sums(folder)
    return folders


def _numbered(names: Sequence[str], found: Container[str]) -> list[str]:
    """The first of the names, and those behind it without a gap that are there."""
    return [names[0], *takewhile(lambda name: name in found, names[1:])]


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Every entry by its path in the folder, with its mode; links are not followed."""
    for path in folder.iterdir():
        mode = path.lstat().st_mode
        yield path.name, mode
        if stat.S_ISDIR(mode) and path.name.startswith(MODEL):
            yield from (
                (f"{path.name}/{inner.name}", inner.lstat().st_mode) for inner in path.iterdir()
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
