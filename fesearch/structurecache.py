"""What was computed from single structures, kept as soon as it is there.

Rows are lines of text, appended to a file of the process that computes them. A kill therefore costs
what has not been computed yet, and any number of processes can write at once, on disks of the
network too, where appending to one file is not safe. A line carries its checksum: one that was cut
off, or damaged later, is as if it were not there.
"""

import base64
import json
import uuid
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeAlias

import numpy as np

from fesearch.errors import FesearchError
from fesearch.paths import cache_dir

_DIGEST = slice(9, 73)  # of a line: after 8 hexadecimal digits of CRC-32 and a blank
_SUFFIX = ".lines"


@dataclass(frozen=True)
class Failed:
    """Why a structure has no row.

    Attributes:
        reason: in one line.
        seconds: it was given, where it took longer; None for what fails however long it takes.
    """

    reason: str
    seconds: float | None = None


#: A row, (d,) float32, or why there is none.
Entry: TypeAlias = np.ndarray | Failed


@dataclass
class StructureCache:
    """The rows of one feature set in one version, by the digest of their structures.

    Attributes:
        name: of the feature set.
        version: of all that its rows depend on besides the structure; a name of a folder.
    """

    name: str
    version: str
    _file: BinaryIO | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def find(self, digests: Collection[str], seconds: float) -> dict[str, Entry]:
        """What is known of these structures: a row if any process ever had one, else its failure.

        A failure for want of time is known only where it had ``seconds`` or more.
        """
        wanted = {digest.encode() for digest in digests}
        found: dict[str, Entry] = {}
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            for digest, entry in _entries(path, wanted):
                if isinstance(entry, Failed):
                    if entry.seconds is None or entry.seconds >= seconds:
                        found.setdefault(digest, entry)
                else:
                    found[digest] = entry
        return found

    def keep(self, digest: str, entry: Entry) -> None:
        """Write what came of a structure; it outlives this process from here on.

        Raises:
            FesearchError: it cannot be written.
        """
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                path = self._folder / f"{uuid.uuid4().hex}{_SUFFIX}"
                self._file = path.open("xb", buffering=0)
            self._file.write(_line(digest, entry))
        except OSError as error:
            raise FesearchError(
                f"The features cannot be written to {self._folder}: {error.strerror}.",
                "Make room there, or name another folder in FESEARCH_CACHE_DIR.",
            ) from error

    @property
    def _folder(self) -> Path:
        return _root() / self.name / self.version


def size(name: str) -> int:
    """Bytes on disk of all versions of a feature set."""
    return sum(_size(path) for path in (_root() / name).glob(f"*/*{_SUFFIX}"))


def clear() -> int:
    """Empty the cache of all feature sets and say how many bytes that freed.

    A process that is writing at this moment goes on, and loses what it has written.
    """
    freed = 0
    for path in _root().glob(f"*/*/*{_SUFFIX}"):
        freed += _size(path)
        path.unlink(missing_ok=True)
    return freed


def _root() -> Path:
    return cache_dir() / "structures"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _line(digest: str, entry: Entry) -> bytes:
    """A checksum, the digest and the entry, of which a row is base64 of little-endian float32."""
    if isinstance(entry, Failed):
        content: dict[str, Any] = {"failed": entry.reason, "seconds": entry.seconds}
    else:
        content = {"row": base64.b64encode(entry.astype("<f4").tobytes()).decode()}
    return _checked(f"{digest} {json.dumps(content)}".encode())


def _entries(path: Path, wanted: Collection[bytes]) -> Iterator[tuple[str, Entry]]:
    """The lines of a file that are about structures of the wanted digests, and whole."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line[_DIGEST] in wanted and line == _checked(line[9:-1]):
                    yield line[_DIGEST].decode(), _entry(json.loads(line[_DIGEST.stop + 1 :]))
    except FileNotFoundError:  # cleared at this moment
        return


def _checked(said: bytes) -> bytes:
    """The line that says so."""
    return b"%08x %b\n" % (zlib.crc32(said), said)


def _entry(content: dict[str, Any]) -> Entry:
    if "failed" in content:
        return Failed(content["failed"], content["seconds"])
    return np.frombuffer(base64.b64decode(content["row"]), dtype="<f4").astype(np.float32)
