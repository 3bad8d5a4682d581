"""One declaration per module, found by name; plug-ins come in by entry points.

Declarations of files that the user names are added while a program runs. Of those that go on
record, names of the user's own end in "@" and what their code is, since the same name may stand for
other code tomorrow: "NAME@DIGITS" is of a file, "NAME@PACKAGE.DIGITS" of a plug-in.
"""

import difflib
import hashlib
import importlib
import importlib.util
import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar, cast

from fesearch.errors import InputError, first_line

T = TypeVar("T")

_log = logging.getLogger(__name__)

DIGITS = 12
"""Of the SHA-256 of code that stand in a name: enough to tell a person's versions of it apart."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word a mistyped one most likely meant, if any is close."""
    matches = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown(kind: str, word: str, known: Iterable[str], listing: str) -> InputError:
    """The error for a word that is not one of ``known``; ``listing`` is what prints them all."""
    near = nearest(word, known)
    hint = f"Did you mean '{near}'? " if near else ""
    return InputError(f"There is no {kind} '{word}'.", f"{hint}Type: {listing}")


@dataclass(frozen=True)
class PlugIn:
    """An installed package that declares something by an entry point.

    Attributes:
        package, version: as it was installed.
        sha256: of its code: all Python files of the module that the entry point names, or of the
            package which that is in. A change of code need not change the version.
    """

    package: str
    version: str
    sha256: str


class Registry(Generic[T]):
    """Declarations of one kind, one a module of ``package``, named as their module.

    Those of other packages come by entry points of the group ``package``.

    Args:
        kind: the noun in error messages, such as "family".
        declared: the class every declaration is an instance of.
        package: the package whose modules declare, such as "fesearch.families".
        attribute: the name of the declaration in its module, such as "FAMILY".
        listing: the command that lists the declarations.
        built_in: name -> declaration, where ``package`` is a single module that has them all.
        called: a declaration and another name -> the same under that name. Given where names go on
            record, so that those of the user's own say which code they are of.
    """

    def __init__(
        self,
        kind: str,
        declared: type[T],
        package: str,
        attribute: str,
        listing: str,
        built_in: Mapping[str, T] | None = None,
        called: Callable[[T, str], T] | None = None,
    ) -> None:
        self.kind = kind
        self.package = package
        self.declared = declared
        self.attribute = attribute
        self.called = called
        self._listing = listing
        self._collected = built_in
        self._added: dict[str, T] = {}

    def names(self) -> list[str]:
        """All names in full, sorted; no declaring module is imported for it."""
        return sorted({*self._built_in(), *map(self.full_name, self._plugged_in()), *self._added})

    def add(self, name: str, declaration: T) -> None:
        """Take in the declaration of a user's file under its full name, "NAME@DIGITS".

        "NAME" alone then means this one, until another of the name is added.

        Raises:
            InputError: "NAME" is taken by a built-in declaration or a plug-in.
        """
        short = short_name(name)
        if short in {*self._built_in(), *self._plugged_in()}:
            raise InputError(
                f"There is a {self.kind} '{short}' already, which is none of your own.",
                f"Give yours another name. Type: {self._listing}",
            )
        self._added.pop(name, None)
        self._added[name] = declaration

    def full_name(self, name: str) -> str:
        """The name with what its code is, where it is that of a user's file or of a plug-in."""
        added = [full for full in self._added if short_name(full) == name]
        if added or self.called is None or name != short_name(name):
            return added[-1] if added else name
        found = self.plug_in(name)
        return f"{name}@{found.package}.{found.sha256[:DIGITS]}" if found else name

    def plug_in(self, name: str) -> PlugIn | None:
        """The installed package that declares ``name``, which may be in full, if one does."""
        name = short_name(name)
        point = None if name in self._built_in() else self._plugged_in().get(name)
        if point is None or point.dist is None:
            return None
        return PlugIn(point.dist.name, point.dist.version, _code_of(point.module))

    def get(self, name: str) -> T:
        """The declaration called ``name``.

        Raises:
            InputError: there is none; the hint has the nearest name.
        """
        name = self.full_name(name)
        if name in self._built_in():
            found = self._loaded(name)
        elif name in self._added:
            return self._added[name]
        elif (short := short_name(name)) in self._plugged_in() and name == self.full_name(short):
            return self._plugged(self._plugged_in()[short], name)
        elif short != name:
            raise self._not_given(name)
        else:
            raise unknown(self.kind, name, map(short_name, self.names()), self._listing)
        self._refuse_other(name, found)
        return cast(T, found)

    def __iter__(self) -> Iterator[T]:
        """All declarations; a plug-in that cannot be used is left out, with a warning."""
        for name in self.names():
            try:
                yield self.get(name)
            except InputError as error:
                if name in self._built_in():
                    raise
                _log.warning("%s It is left out.", error.message)

    def _built_in(self) -> Iterable[str]:
        if self._collected is not None:
            return self._collected
        package = importlib.import_module(self.package)
        modules = pkgutil.iter_modules(package.__path__)
        return [module.name for module in modules if not module.name.startswith("_")]

    def _loaded(self, name: str) -> object:
        if self._collected is not None:
            return self._collected[name]
        return getattr(importlib.import_module(f"{self.package}.{name}"), self.attribute)

    def _plugged(self, point: EntryPoint, name: str) -> T:
        """What an entry point names, under its full name.

        Raises:
            InputError: it cannot be imported, or is no declaration of that name.
        """
        try:
            found = point.load()
        except (Exception, SystemExit) as error:
            package = point.dist.name if point.dist else point.module.partition(".")[0]
            raise InputError(
                f"The {self.kind} '{point.name}' of the package '{package}' fails in "
                f"'{point.value}': {first_line(error)}.",
                f"Mend the package, or remove it: pip uninstall {package}",
            ) from error
        self._refuse_other(point.name, found)
        return found if self.called is None else self.called(found, name)

    def _plugged_in(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.package)}

    def _refuse_other(self, name: str, found: object) -> None:
        """Refuse what is no declaration, or goes by another name: it could not be found again."""
        if not isinstance(found, self.declared):
            raise InputError(
                f"The {self.kind} '{name}' is a {type(found).__name__}, "
                f"not a {self.declared.__name__}.",
                f"Its entry point must name a {self.declared.__name__}.",
            )
        own = getattr(found, "name", name)
        if own != name:
            raise InputError(
                f"The {self.kind} '{name}' calls itself '{own}'.",
                "Its entry point and its declaration must have one name.",
            )

    def _not_given(self, name: str) -> InputError:
        """The error for code of the user's own that this program has not been given."""
        short, _, code = name.partition("@")
        package, _, digits = code.rpartition(".")
        given = self.full_name(short)
        if package:
            lacking = f"is of the package '{package}', which is not installed."
            other = "the package installed"
            hint = f"Install '{package}' as it was: the sha256 of its code begins with {digits}."
        else:
            lacking, other = "is of a file that is not given.", "the file given"
            hint = f"Give the Python file whose sha256 begins with {digits}: --family-file FILE.py"
        if given == short:
            return InputError(f"The {self.kind} '{name}' {lacking}", hint)
        return InputError(
            f"The {self.kind} '{name}' is wanted, but {other} declares '{given}': "
            "its code is another.",
            hint,
        )


@cache  # a process runs the code that it has imported, whatever becomes of the files
def _code_of(module: str) -> str:
    """SHA-256 over the Python files of a module's package, by name and content."""
    found = _spec_of(module)
    places = [Path(place) for place in (found and found.submodule_search_locations) or ()]
    files = {file.relative_to(place): file for place in places for file in place.rglob("*.py")}
    if not files and found is not None and found.origin is not None:
        files = {Path(module): Path(found.origin)}
    sha256 = hashlib.sha256()
    for name in sorted(files):
        content = files[name].read_bytes()
        sha256.update(f"{name.as_posix()}\n{len(content)}\n".encode())
        sha256.update(content)
    return sha256.hexdigest()


def _spec_of(module: str) -> ModuleSpec | None:
    """Where a module's package is; None where it cannot be found, as an import will tell."""
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
        if found is not None and found.origin is not None:
            return found
        return importlib.util.find_spec(module)  # of a namespace package there is that module alone
    except (Exception, SystemExit):  # noqa: BLE001  packages above it are imported, and may fail
        return None


def short_name(name: str) -> str:
    """The name of a user's own declaration without what its code is."""
    return name.partition("@")[0]
