"""One declaration per module, found by name; plug-ins come in by entry points."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from fesearch.errors import InputError

T = TypeVar("T")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word a mistyped one most likely meant, if any is close."""
    matches = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown(kind: str, word: str, known: Iterable[str], listing: str) -> InputError:
    """The error for a word that is not one of ``known``; ``listing`` is what prints them all."""
    near = nearest(word, known)
    hint = f"Did you mean '{near}'? " if near else ""
    return InputError(f"There is no {kind} '{word}'.", f"{hint}Type: {listing}")


class Registry(Generic[T]):
    """Declarations of one kind, one a module of ``package``, named as their module.

    Args:
        kind: the noun in error messages, such as "family".
        declared: the class every declaration is an instance of.
        package: the package whose modules declare, such as "fesearch.families".
        attribute: the name of the declaration in its module, such as "FAMILY".
        listing: the command that lists the declarations.
    """

    def __init__(
        self, kind: str, declared: type[T], package: str, attribute: str, listing: str
    ) -> None:
        self.kind = kind
        self.package = package
        self._declared = declared
        self._attribute = attribute
        self._listing = listing

    def names(self) -> list[str]:
        """All names, sorted; no declaring module is imported for it."""
        return sorted({*self._built_in(), *self._plugged_in()})

    def get(self, name: str) -> T:
        """The declaration called ``name``.

        Raises:
            InputError: there is none; the hint has the nearest name.
        """
        if name in self._built_in():
            module = importlib.import_module(f"{self.package}.{name}")
            found = getattr(module, self._attribute)
        elif name in self._plugged_in():
            found = self._plugged_in()[name].load()
        else:
            raise unknown(self.kind, name, self.names(), self._listing)
        if not isinstance(found, self._declared):
            raise InputError(
                f"The {self.kind} '{name}' is a {type(found).__name__}, "
                f"not a {self._declared.__name__}.",
                f"Its entry point must name a {self._declared.__name__}.",
            )
        return found

    def __iter__(self) -> Iterator[T]:
        return (self.get(name) for name in self.names())

    def _built_in(self) -> list[str]:
        package = importlib.import_module(self.package)
        modules = pkgutil.iter_modules(package.__path__)
        return [module.name for module in modules if not module.name.startswith("_")]

    def _plugged_in(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.package)}
