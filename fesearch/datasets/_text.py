"""Text files, gzip-compressed or not, a line at a time; what is wrong with one is an InputError."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fesearch.errors import InputError

LONGEST = 1 << 24  # characters of a line: a file without line ends must not fill the memory
_GZIP = b"\x1f\x8b"


class Kind(NamedTuple):
    """A kind of text files, in the words of messages: "CSV", and how to get such a file."""

    name: str
    hint: str


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[Iterator[str]]:
    """The lines of a file with their ends, unpacked if it is compressed.

    Raises:
        InputError: it cannot be read, is damaged, is no text in UTF-8, or has an endless line;
            also while lines are taken.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise _unreadable(path, kind, error) from error
    with raw:
        yield _lines(path, kind, raw)


def _lines(path: Path, kind: Kind, raw: io.BufferedReader) -> Iterator[str]:
    """The lines; a generator, so that faults of those who use them are not taken for its own."""
    try:
        packed = raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        data = gzip.GzipFile(fileobj=raw) if packed else raw
        with io.TextIOWrapper(data, encoding="utf-8-sig", newline="") as text:
            line = text.readline(LONGEST)
            if "\0" in line:  # UTF-16, or no text; in a later line it is a fault of its row
                raise _not_text(path, kind)
            while line:
                if len(line) == LONGEST:
                    message = f"{path} has a line of {LONGEST} characters or more."
                    raise InputError(message, kind.hint)
                yield line
                line = text.readline(LONGEST)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} is a damaged gzip file: {error}.", "Copy or download it again."
        ) from error
    except OSError as error:
        raise _unreadable(path, kind, error) from error
    except UnicodeDecodeError as error:
        raise _not_text(path, kind) from error


def _unreadable(path: Path, kind: Kind, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be read: {error.strerror}.", f"Give the path of a {kind.name} file."
    )


def _not_text(path: Path, kind: Kind) -> InputError:
    return InputError(f"{path} is not a text file in UTF-8.", kind.hint)
