"""A sheet in a file: the suffix says of which kind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from fesearch.errors import InputError
from fesearch.figures.page import html
from fesearch.figures.render import png, svg
from fesearch.figures.sheet import Sheet
from fesearch.paths import atomic_write

KINDS: Mapping[str, Callable[[Sheet], bytes]] = MappingProxyType(
    {".png": png, ".svg": svg, ".html": html}
)


def checked(path: Path) -> Path:
    """``path``, if a figure can be written there: asked before the work, not after it.

    Raises:
        InputError: its suffix is of no kind of figure, or there is a folder.
    """
    if path.is_dir():
        raise InputError(f"'{path}' is a folder.", f"Type: --to {path / 'figure.png'}")
    if path.suffix.lower() not in KINDS:
        message = f"'{path}' does not end in {', '.join(KINDS)}."
        raise InputError(message, f"Type: --to {path.with_suffix('.png')}")
    return path


def write(sheet: Sheet, path: Path) -> None:
    """Draw a sheet into a file, whole or not at all; one that is there is replaced.

    The same sheet gives the same bytes.

    Raises:
        InputError: see `checked`; or the file cannot be written.
    """
    content = KINDS[checked(path).suffix.lower()](sheet)
    try:
        with atomic_write(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        message = f"The figure '{path}' cannot be written: {error.strerror}."
        raise InputError(message, "Name another file: --to FILE.png") from error
