"""The file of an archive: a zip of texts that people can read, the same bytes for the same study.

What is read may be forged. Names are those known here, sizes are bounded before anything is
unpacked, nothing is written to disk by them, and there is nothing to execute: JSON and CSV alone.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fesearch import plainjson
from fesearch.errors import InputError, quoted

FORMAT = 1
MANIFEST = "archive.json"
README = "README.txt"
STUDY = "study.toml"
FEATURES = "features.json"
ROWS = "rows.csv"
VALIDATION = "predictions/validation.csv"
TEST = "predictions/test.csv"
LOOKS = "predictions/looks.jsonl"
DATA = "data.json"
DATA_ROWS = "data.jsonl"
TABLES = "tables/"
TABLE_NAMES = (
    "divisions",
    "members",
    "keys",
    "studies",
    "study_keys",
    "trials",
    "reports",
    "queue",
    "looks",
)
"""Those of ``store.transfer.PORTABLE``, which costs more to import than a ranking takes."""

MEMBERS = (
    README,
    STUDY,
    FEATURES,
    ROWS,
    *(f"{TABLES}{name}.jsonl" for name in TABLE_NAMES),
    VALIDATION,
    TEST,
    LOOKS,
    DATA,
    DATA_ROWS,
    MANIFEST,
)
"""All there may be, in their order; predictions and data are there when there are any."""

_LARGEST = 4 << 30  # bytes of a member; a million rows with structures are fewer
_MOST_PACKED = 200  # bytes that one byte of a text of rows packs, beyond the first megabytes
_SLACK = 16 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
_HINT = "Use an unchanged copy of what fesearch study archive wrote."


def write(path: Path, members: Mapping[str, str | Iterable[str]]) -> None:
    """Write a zip whose bytes depend on its texts alone, with their hashes in the manifest.

    Args:
        path: replaced where it exists.
        members: name -> text, or pieces of it; the manifest's is a JSON object to add to.
    """
    manifest = json.loads("".join(members[MANIFEST]))
    hashes: dict[str, str] = {}
    with zipfile.ZipFile(path, "w") as file:
        for name in MEMBERS[:-1]:
            if name in members:
                hashes[name] = _add(file, name, members[name])
        text = json.dumps({**manifest, "format": FORMAT, "sha256": hashes}, indent=1)
        _add(file, MANIFEST, f"{text}\n")


def _add(file: zipfile.ZipFile, name: str, text: str | Iterable[str]) -> str:
    """Add a member, and return its SHA-256."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, wherever it is written
    info.external_attr = 0o644 << 16
    digest = hashlib.sha256()
    with file.open(info, "w", force_zip64=True) as member:
        for piece in (text,) if isinstance(text, str) else text:
            content = piece.encode("utf-8")
            digest.update(content)
            member.write(content)
    return digest.hexdigest()


def lines(rows: Iterable[Any]) -> Iterator[str]:
    """JSON, a line a row, with all digits of numbers."""
    for row in rows:
        yield f"{json.dumps(row, ensure_ascii=False, allow_nan=False)}\n"


class ArchiveFile:
    """An archive that is open for reading, its names, sizes and hashes checked.

    Raises:
        InputError: it is no archive, is damaged, or of a newer fesearch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise InputError(
                f"There is no archive '{path}'.", "Give a file of fesearch study archive."
            )
        try:
            self._file = zipfile.ZipFile(path)
        except _BROKEN as error:
            raise self.damaged(f"it is no zip file ({error})") from None
        try:
            self._check_names()
            self.manifest = self.json(MANIFEST)
            self._check_manifest()
        except InputError:
            self._file.close()
            raise

    def __enter__(self) -> "ArchiveFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self._file.namelist()

    def json(self, name: str) -> dict[str, Any]:
        """A member that is one JSON object.

        Raises:
            InputError: it is not.
        """
        found = self._parsed(name, self._text(name))
        if not isinstance(found, dict):
            raise self.damaged(f"'{name}' is no JSON object")
        return found

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A member of JSON objects, a line each.

        Raises:
            InputError: it is not, or is not what was written.
        """
        found = [self._parsed(name, line) for line in self._text(name).split("\n")[:-1]]
        if not all(isinstance(row, dict) for row in found):
            raise self.damaged(f"a line of '{name}' is no JSON object")
        return found

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of the study, as ``Store.receive`` takes them."""
        return {name: self.rows(f"{TABLES}{name}.jsonl") for name in TABLE_NAMES}

    def damaged(self, what: str) -> InputError:
        """The error for an archive that is not as one is written."""
        return InputError(f"The archive '{self.path}' is damaged: {what}.", _HINT)

    def _check_names(self) -> None:
        seen = set()
        for info in self._file.infolist():
            name = info.filename
            if name not in MEMBERS:
                raise self.damaged(f"it has {quoted(name)}, which is no part of one")
            if name in seen:
                raise self.damaged(f"it has '{name}' twice")
            seen.add(name)
            most = _SLACK + _MOST_PACKED * info.compress_size
            if info.file_size > min(most, _LARGEST):
                raise self.damaged(f"'{name}' would unpack to {info.file_size} bytes")
        optional = {VALIDATION, TEST, LOOKS, DATA, DATA_ROWS}
        for name in MEMBERS:
            if name not in seen and name not in optional:
                raise self.damaged(f"it has no '{name}'")
        if (DATA in seen) != (DATA_ROWS in seen):
            raise self.damaged(f"it has only one of '{DATA}' and '{DATA_ROWS}'")

    def _check_manifest(self) -> None:
        found = self.manifest.get("format")
        if found != FORMAT:
            raise InputError(
                f"The archive '{self.path}' has format {quoted(repr(found))}; this version reads "
                f"{FORMAT}.",
                "Use the version of fesearch that wrote it, or a newer one.",
            )
        hashes = self.manifest.get("sha256")
        names = set(self._file.namelist()) - {MANIFEST}
        if not isinstance(hashes, dict) or set(hashes) != names:
            raise self.damaged(f"'{MANIFEST}' has not the hash of each member")

    def _text(self, name: str) -> str:
        """All of a member, no more than its directory says, and with the hash it should have."""
        try:
            with self._file.open(name) as member:
                content = member.read(self._file.getinfo(name).file_size)
            text = content.decode("utf-8")
        except (*_BROKEN, RuntimeError) as error:  # RuntimeError where it is encrypted
            raise self.damaged(f"'{name}' cannot be read ({error})") from None
        if (
            name != MANIFEST
            and hashlib.sha256(content).hexdigest() != self.manifest["sha256"][name]
        ):
            raise self.damaged(f"'{name}' is not what was written: its checksum differs")
        return text

    def _parsed(self, name: str, text: str) -> Any:
        try:
            return plainjson.loads(text)
        except ValueError as error:
            raise self.damaged(f"'{name}' has a line that is not JSON ({error})") from None
