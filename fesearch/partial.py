"""Work on a long file that may be killed: its parts are kept beside it until it is whole.

The parts are files in a hidden folder ``.NAME.partial`` beside the file. A part counts when its
record is written, which is done last. Who does the same work again goes on behind the last of them;
other work of the same name begins anew.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fesearch.errors import InputError
from fesearch.paths import atomic_write

_JOB, _LOCK = "job.json", "lock"


class Partial:
    """The parts of a file so far.

    Attributes:
        records: what there is to say of each finished part, in order.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.records: list[dict[str, Any]] = []
        while (path := self._record(len(self.records))).exists():
            self.records.append(json.loads(path.read_text()))

    @property
    def parts(self) -> list[Path]:
        """The finished parts, in order."""
        return [self._part(number) for number in range(len(self.records))]

    @property
    def next(self) -> Path:
        """Where the next part is to be written; ``finish`` makes it count."""
        return self._part(len(self.records))

    def finish(self, record: Mapping[str, Any]) -> None:
        """Count the part at ``next`` as finished."""
        with self.next.open("rb") as file:
            os.fsync(file.fileno())
        with atomic_write(self._record(len(self.records))) as path:
            path.write_text(json.dumps(record))
        self.records.append(dict(record))

    def _part(self, number: int) -> Path:
        return self._folder / f"{number:06}"

    def _record(self, number: int) -> Path:
        return self._folder / f"{number:06}.json"


@contextmanager
def partial(to: Path, job: Mapping[str, Any]) -> Iterator[Partial]:
    """The parts of the file ``to``, which go when the block ends well or the input is wrong.

    Args:
        job: all that the content depends on; other parts than those of the same job are removed.

    Raises:
        InputError: another process works on the same file.
        OSError: the folder cannot be written.
    """
    folder = to.parent / f".{to.name}.partial"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another process is writing '{to}'.", "Wait for its end, or give another --to."
            ) from None
        digest = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
        _begin(folder, digest)
        try:
            yield Partial(folder)
        except InputError:  # to be corrected: the same job will not be done again
            shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)


def _begin(folder: Path, digest: str) -> None:
    """Leave in the folder only the parts of the same job."""
    job = folder / _JOB
    if job.exists() and job.read_text() == digest:
        return
    for path in folder.iterdir():
        if path.name != _LOCK:
            path.unlink()
    with atomic_write(job) as file:
        file.write_text(digest)
