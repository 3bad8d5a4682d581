"""Where a study comes from: a shipped file, a family's name, a path, and flags over its keys."""

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fesearch.errors import InputError, quoted
from fesearch.family import FAMILIES
from fesearch.own import family_of, run_files
from fesearch.registry import nearest, short_name
from fesearch.study import Study, checked

_BUDGETS = {"time_limit", "trials"}
_LISTS = ("families", "objectives", "track")


def read(
    source: str, flags: Mapping[str, Any] | None = None, sets: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The keys of the study called ``source``, with flags of the command line over them.

    Args:
        source: a shipped study file, else a model family, else a path: of a TOML file, or of a
            Python file that declares a family.
        flags: key -> value; None leaves the key as it is. Lists may be texts with commas. Files of
            the user's own are added to those of the study, and run. Where families share one
            budget, a time limit takes the place of a number of trials, and the other way round.
        sets: ``KEY=VALUE`` texts, such as "space.depth=48".

    Raises:
        InputError: there is no such source, or a text is not of that form.
    """
    flags = {key: value for key, value in (flags or {}).items() if value is not None}
    for key in _LISTS:
        if isinstance(flags.get(key), str):
            flags[key] = flags[key].split(",")
    files = flags.pop("own", [])
    run_files(files)
    keys = _read(source)
    if "families" in {**keys, **flags} and len(_BUDGETS & flags.keys()) == 1:
        keys = {key: value for key, value in keys.items() if key not in _BUDGETS}
    keys.update(flags)
    if files:
        keys["own"] = [*keys.get("own", []), *files]
    for text in sets:
        _put(keys, text)
    return keys


def load(source: str, flags: Mapping[str, Any] | None = None, sets: tuple[str, ...] = ()) -> Study:
    """The study of the keys that ``read`` gives.

    Raises:
        InputError: there is no such source, or a key or value is wrong.
    """
    return checked(read(source, flags, sets), source)


def shipped() -> dict[str, Path]:
    """The study files that come with fesearch, by name."""
    inside = Path(str(resources.files("fesearch"))) / "studies"
    folder = inside if inside.is_dir() else inside.parent.parent / "studies"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _read(source: str) -> dict[str, Any]:
    files = shipped()
    if source in files:
        return {"name": source, **_toml(files[source])}
    if FAMILIES.full_name(source) in FAMILIES.names():
        return {"name": short_name(source), "family": source}
    path = Path(source)
    if path.suffix == ".py":
        return _python(path)
    if path.suffix == ".toml" or os.sep in source:
        return {"name": path.stem, **_beside(path, _toml(path))}
    known = sorted({*files, *map(short_name, FAMILIES.names())})
    near = nearest(source, known)
    hint = f"Did you mean '{near}'? " if near else ""
    raise InputError(
        f"There is no study file or model family {quoted(source)}.",
        f"{hint}There are: {', '.join(known)}; or give the path of a .toml file.",
    )


def _python(path: Path) -> dict[str, Any]:
    """A study of defaults, of the family that a Python file declares."""
    name = family_of(path).name
    return {"name": short_name(name), "family": name, "own": [str(path)]}


def _beside(path: Path, keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a study file, the paths in it from its own folder."""
    files = keys.get("own")
    if isinstance(files, list) and all(isinstance(file, str) for file in files):
        keys["own"] = [str(path.parent / file) for file in files]
    return keys


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"The study file '{path}' cannot be read: {error.strerror}.", "Check the path."
        ) from None
    except ValueError as error:  # not UTF-8, not TOML, or a number of thousands of digits
        raise InputError(
            f"The study file '{path}' is not TOML: {error}.", "Mend that line."
        ) from None


def assignment(text: str, example: str) -> tuple[str, Any]:
    """Key and value of ``KEY=VALUE``, the value written as in TOML or bare.

    Raises:
        InputError: it is not of that form; the hint has the example.
    """
    key, separator, written = text.partition("=")
    if not separator or not key:
        raise InputError(f"--set got {quoted(text)}.", f"Write --set KEY=VALUE, as in {example}.")
    try:
        return key, tomllib.loads(f"value = {written}")["value"]
    except ValueError:  # a word without quotes
        return key, written


def _put(keys: dict[str, Any], text: str) -> None:
    """Set one key of a study from ``KEY=VALUE``."""
    key, value = assignment(text, "space.depth=48")
    *tables, last = key.split(".")
    for table in tables:
        existing = keys.get(table, {})
        if not isinstance(existing, dict):
            raise InputError(
                f"--set got {quoted(text)}, but '{table}' has no keys.", f"Write {table}=…"
            )
        inner = dict(existing)
        keys[table] = inner
        keys = inner
    keys[last] = value
