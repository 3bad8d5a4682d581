"""Families, metrics and feature sets of the user's own, from a Python file that the user names.

Such a file is run: it is code, and with plug-ins the only thing from outside that is. It declares
FAMILY, METRIC or FEATURE_SET, one or more of them, and stands alone: files beside it are not on
Python's path. What it declares goes by its name, "@" and the first digits of the SHA-256 of the
file. So results say which code they are of, and changed code is another family.
"""

import hashlib
import linecache
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from fesearch.errors import InputError, first_line
from fesearch.family import FAMILIES, Family
from fesearch.metrics import ALL_METRICS, Metric
from fesearch.paths import checked_name
from fesearch.registry import DIGITS, Registry

if TYPE_CHECKING:
    from fesearch.featureset import FeatureSet

T = TypeVar("T")

_log = logging.getLogger(__name__)

_MENTIONED = re.compile(rf"@([0-9a-f]{{{DIGITS}}})(?![\w.-])")  # of files, not of packages
_LARGEST = 1_000_000  # bytes of a file; more is not what a person wrote


@dataclass(frozen=True)
class Source:
    """A user's file, as it was when it was read.

    Attributes:
        path: where it was, absolute.
        text: all of it.
    """

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> "Source":
        """The file as it is now.

        Raises:
            InputError: it cannot be read, or is no text.
        """
        path = path.expanduser().absolute()
        try:
            content = path.read_bytes()
            if len(content) > _LARGEST:
                raise ValueError(f"it has {len(content)} bytes")
            return cls(path, content.decode("utf-8"))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(
                f"The Python file '{path}' cannot be read: {reason}.",
                "Give the path of a file that declares FAMILY, METRIC or FEATURE_SET.",
            ) from None

    @property
    def sha256(self) -> str:
        """Of the file, hex."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    @property
    def digits(self) -> str:
        """Those behind the "@" in the names of what it declares."""
        return self.sha256[:DIGITS]


@dataclass(frozen=True)
class Declared:
    """What a file declares, each under its full name."""

    source: Source
    family: Family | None = None
    metric: Metric | None = None
    feature_set: "FeatureSet | None" = None


_RUN: dict[str, Declared] = {}  # by SHA-256: a file is run once in a process


def run(source: Source) -> Declared:
    """Run a file, unless this process has, and make known by name what it declares.

    Raises:
        InputError: it fails, declares nothing or something else, or a name is taken.
    """
    if source.sha256 in _RUN:
        declared = replace(_RUN[source.sha256], source=source)
    else:
        _log.warning("Running the code of %s, sha256 %s.", source.path, source.digits)
        declared = _declared(source, _executed(source))
    _make_known(declared)
    _RUN[source.sha256] = declared
    return declared


def run_files(paths: Iterable[str | Path]) -> list[Declared]:
    """Read and run these files; see ``run``."""
    return [run(Source.read(Path(path))) for path in paths]


def family_of(path: str | Path) -> Family:
    """The family that a file declares; the file is run.

    Raises:
        InputError: it declares none, or see ``run``.
    """
    [declared] = run_files([path])
    if declared.family is None:
        raise InputError(
            f"The file '{declared.source.path}' declares no FAMILY.",
            "Write FAMILY = Family(…) in it, or name another family beside it.",
        )
    return declared.family


def mentioned(*texts: str) -> tuple[Source, ...]:
    """The files run in this process whose digits stand in texts, such as names."""
    digits = {found for text in texts for found in _MENTIONED.findall(text)}
    return tuple(one.source for one in _RUN.values() if one.source.digits in digits)


def digits_in(*texts: str) -> list[str]:
    """The digits of user's files that stand in texts, sorted, each once."""
    return sorted({found for text in texts for found in _MENTIONED.findall(text)})


def features_in_full(text: str) -> str:
    """Feature sets as typed, such as "magpie+mine:size=3", the user's own by their full names."""
    from fesearch.featureset import FEATURE_SETS

    words = (term.strip().partition(":") for term in text.split("+"))
    return "+".join(f"{FEATURE_SETS.full_name(name)}{sign}{rest}" for name, sign, rest in words)


def _executed(source: Source) -> ModuleType:
    """The module of a file; its name has the hash, so that two versions stand side by side."""
    path = str(source.path)
    module = ModuleType(f"fesearch_own_{source.sha256}")
    module.__file__ = path
    # Tracebacks show the lines that ran, also where the file is not, or not as it was.
    linecache.cache[path] = (len(source.text), None, source.text.splitlines(True), path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up
    try:
        text = source.text.removeprefix("\ufeff")  # what Windows editors begin a file with
        code = compile(text, path, "exec", dont_inherit=True)
        with redirect_stdout(sys.stderr):  # data alone go to stdout, and are read by programs
            exec(code, vars(module))  # noqa: S102  the one file that a user gave to be run
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise InputError(
            f"The file '{path}' fails{_line(error, path)}: {first_line(error)}.",
            "Mend that line; add --debug for the traceback.",
        ) from error
    return module


def _line(error: BaseException, path: str) -> str:
    """Where in the file it went wrong, in words."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return f" in line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == path]
    return f" in line {lines[-1]}" if lines else ""


def _declared(source: Source, module: ModuleType) -> Declared:
    """What a module declares, renamed in full.

    Raises:
        InputError: nothing, or something that is not what its name says.
    """
    found = {
        name: getattr(module, name)
        for name in ("FAMILY", "METRIC", "FEATURE_SET")
        if hasattr(module, name)
    }
    if not found:
        raise InputError(
            f"The file '{source.path}' declares no FAMILY, METRIC or FEATURE_SET.",
            "CONTRIBUTING.md has an example under 'A family of your own'.",
        )
    feature_set = None
    if "FEATURE_SET" in found:
        from fesearch.featureset import FEATURE_SETS

        feature_set = _checked(source, found, FEATURE_SETS)
    return Declared(
        source,
        family=_checked(source, found, FAMILIES),
        metric=_checked(source, found, ALL_METRICS),
        feature_set=feature_set,
    )


def _checked(source: Source, found: Mapping[str, object], kind: Registry[T]) -> T | None:
    """The declaration of a kind under its full name, if there is one."""
    declaration = found.get(kind.attribute)
    if kind.attribute not in found:
        return None
    if not isinstance(declaration, kind.declared):
        raise InputError(
            f"{kind.attribute} in '{source.path}' is a {type(declaration).__name__}, "
            f"not a {kind.declared.__name__}.",
            f"Write {kind.attribute} = {kind.declared.__name__}(…).",
        )
    name = checked_name(kind.kind, str(getattr(declaration, "name", "")))
    assert kind.called is not None, "what a file may declare goes on record"
    return kind.called(declaration, f"{name}@{source.digits}")


def _make_known(declared: Declared) -> None:
    """Add what a file declares to the registries; a name alone then means this one."""
    if declared.feature_set is not None:
        from fesearch.featureset import FEATURE_SETS

        FEATURE_SETS.add(declared.feature_set.name, declared.feature_set)
    if declared.family is not None:
        FAMILIES.add(declared.family.name, declared.family)
    if declared.metric is not None:
        ALL_METRICS.add(declared.metric.name, declared.metric)
