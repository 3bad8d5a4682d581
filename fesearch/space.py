"""Search spaces: which values a config may take, and how one is drawn.

Standard library only. A domain maps a number u in [0, 1) to a value (``at``), so random search,
quasi-random points and corners are all one operation; a grid is the exact list of values.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

from fesearch import grid
from fesearch.errors import InputError, quoted
from fesearch.registry import nearest

Value: TypeAlias = bool | int | float | str | None
Config: TypeAlias = Mapping[str, Value]

LARGEST = 2**53  # of whole numbers: a float64 holds each up to here


@dataclass(frozen=True)
class Float:
    """A real number in [low, high], uniform or, with ``log``, uniform in its logarithm."""

    low: float
    high: float
    log: bool = False
    source: str = field(default="", compare=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def at(self, u: float) -> float:
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return min(max(math.exp(low + u * (high - low)), self.low), self.high)
        return min(self.low + u * (self.high - self.low), self.high)

    def __contains__(self, value: object) -> bool:
        return _is_number(value) and self.low <= value <= self.high

    def values(self) -> Sequence[Value] | None:
        """All values in order, without a list of them in memory; None: it is continuous."""
        return (self.low,) if self.low == self.high else None

    def __str__(self) -> str:
        return f"{self.low:g} … {self.high:g}{' (log)' if self.log else ''}"


@dataclass(frozen=True)
class Int:
    """A whole number low, low + step, … up to high; with ``log`` the step is 1."""

    low: int
    high: int
    step: int = 1
    log: bool = False
    source: str = field(default="", compare=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)
        if not 1 <= self.step <= LARGEST or (self.log and self.step != 1):
            raise InputError(
                f"An integer range has step {quoted(str(self.step))}.",
                "Give a step of 1 or more, and none in a logarithmic range.",
            )

    def at(self, u: float) -> int:
        if self.log:
            low, high = math.log(self.low), math.log(self.high + 1)
            return min(max(int(math.exp(low + u * (high - low))), self.low), self.high)
        count = (self.high - self.low) // self.step + 1
        return self.low + self.step * min(int(u * count), count - 1)

    def __contains__(self, value: object) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return (
            whole and self.low <= value <= self.high and (value - self.low) % self.step == 0  # type: ignore[operator]
        )

    def values(self) -> Sequence[Value]:
        return range(self.low, self.high + 1, self.step)

    def __str__(self) -> str:
        steps = f" step {self.step}" if self.step > 1 else ""
        return f"{self.low} … {self.high}{steps}{' (log)' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """One of a list of values: text, numbers, true and false, or none."""

    options: tuple[Value, ...]
    source: str = field(default="", compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.options:
            raise InputError("A list of choices is empty.", "Give at least one value.")
        for option in self.options:
            if not isinstance(option, bool | int | float | str | None):
                raise InputError(
                    f"A choice is {option!r}, a {type(option).__name__}.",
                    "Choices are text, numbers, true or false.",
                )
            if isinstance(option, int) and abs(option) > LARGEST:
                raise InputError(
                    f"A choice is {quoted(str(option))}.", f"Give whole numbers up to {LARGEST}."
                )
            if sum(_same(option, other) for other in self.options) > 1:
                raise InputError(f"The choice {option!r} is given twice.", "Give each value once.")

    def at(self, u: float) -> Value:
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]

    def __contains__(self, value: object) -> bool:
        return any(_same(value, option) for option in self.options)

    def values(self) -> Sequence[Value]:
        return self.options

    def __str__(self) -> str:
        return ", ".join("none" if o is None else _plain(o) for o in self.options)


@dataclass(frozen=True)
class When:
    """A parameter that exists only where another one has one of some values.

    Attributes:
        parameter: the name of the deciding parameter, which stands before this one in its space.
        equals: the values of it under which this one exists.
        domain: the values of this one.
    """

    parameter: str
    equals: tuple[Value, ...]
    domain: Float | Int | Choice

    @property
    def source(self) -> str:
        return self.domain.source

    def __str__(self) -> str:
        return f"{self.domain}, when {self.parameter} is {Choice(self.equals)}"


Domain: TypeAlias = Float | Int | Choice
Entry: TypeAlias = Float | Int | Choice | When


@dataclass(frozen=True)
class Space:
    """Named parameters in order; a deciding parameter stands before those it decides on."""

    parameters: Mapping[str, Entry]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name, entry in self.parameters.items():
            if isinstance(entry, When) and entry.parameter not in seen:
                raise InputError(
                    f"The parameter '{name}' depends on '{entry.parameter}', not declared before.",
                    f"Declare '{entry.parameter}' before '{name}'.",
                )
            seen.add(name)

    def active(self, name: str, config: Config) -> Domain | None:
        """The domain of a parameter beside those of ``config``, or None where it does not exist."""
        entry = self.parameters[name]
        if not isinstance(entry, When):
            return entry
        decided = entry.parameter in config and config[entry.parameter] in Choice(entry.equals)
        return entry.domain if decided else None

    def at(self, point: Mapping[str, float]) -> dict[str, Value]:
        """The config at a point of the unit cube: parameter -> u in [0, 1)."""
        config: dict[str, Value] = {}
        for name in self.parameters:
            domain = self.active(name, config)
            if domain is not None:
                config[name] = domain.at(point[name])
        return config

    def sample(self, seed: int) -> dict[str, Value]:
        """A config drawn uniformly; the same seed draws the same config on every platform."""
        draw = random.Random(seed)
        return self.at({name: draw.random() for name in self.parameters})

    def grid(self) -> Iterator[dict[str, Value]]:
        """Every config, each once.

        Raises:
            InputError: a parameter is continuous, so that there is no exact grid; or there are
                too many configs.
        """
        return grid.configs(self)

    def size(self) -> int | None:
        """The number of configs, or None where a parameter is continuous."""
        return grid.size(self)

    def check(self, config: Config) -> None:
        """Refuse a config that is not in the space.

        Raises:
            InputError: names the parameter that is missing, unknown or outside its domain.
        """
        for name in config:
            self._known(name)
        for name in self.parameters:
            domain = self.active(name, config)
            if domain is None and name in config:
                entry = self.parameters[name]
                raise InputError(f"'{name}' is given but unused: {entry}.", f"Leave '{name}' out.")
            if domain is not None and name not in config:
                raise InputError(f"'{name}' is missing.", f"Give one of: {domain}.")
            if domain is not None and config[name] not in domain:
                raise InputError(
                    f"'{name}' is {config[name]!r}, outside its space.", f"Give one of: {domain}."
                )

    def nearest(self, config: Config) -> dict[str, Value]:
        """A config of the space that keeps every value of ``config`` the space allows.

        Others become the middle of their domain (for numbers, the closest value).
        """
        found: dict[str, Value] = {}
        for name in self.parameters:
            domain = self.active(name, found)
            if domain is not None:
                found[name] = _closest(domain, config.get(name))
        return found

    def near(self, config: Config) -> dict[str, Value] | None:
        """The ``nearest`` config, if only numbers differ; None where the space lacks a choice."""
        found = self.nearest(config)
        alike = all(name in found and _alike(found[name], value) for name, value in config.items())
        return found if alike else None

    def replace(self, name: str, given: Any) -> "Space":
        """The space with one parameter narrowed or widened, as a study file writes it.

        Args:
            name: a parameter of this space.
            given: a value (fixed), a list (choices), or a table ``{low, high, log?, step?}``. The
                word "none" is none, which TOML has no other for, unless it is one of the choices.

        Raises:
            InputError: no such parameter, or not a domain; names the parameter.
        """
        self._known(name)
        old = self.parameters[name]
        inner = old.domain if isinstance(old, When) else old
        try:
            domain = _domain(given if "none" in inner else _with_none(given))
        except InputError as error:
            raise InputError(f"'{name}': {error.message}", error.hint) from None
        entry = When(old.parameter, old.equals, domain) if isinstance(old, When) else domain
        return Space({**self.parameters, name: entry})

    def occurring(self) -> dict[str, Domain]:
        """The parameters that some config has: not those whose deciding value none can have."""
        found: dict[str, Domain] = {}
        for name, entry in self.parameters.items():
            if not isinstance(entry, When):
                found[name] = entry
            elif any(value in found.get(entry.parameter, ()) for value in entry.equals):
                found[name] = entry.domain
        return found

    def decides(self, name: str) -> bool:
        """Whether other parameters exist only where this one has some values."""
        entries = self.parameters.values()
        return any(isinstance(entry, When) and entry.parameter == name for entry in entries)

    def _known(self, name: str) -> None:
        if name not in self.parameters:
            near = nearest(name, self.parameters)
            hint = f"Did you mean '{near}'? " if near else ""
            raise InputError(
                f"There is no parameter '{name}' in this space.",
                f"{hint}There are: {', '.join(self.parameters)}.",
            )


def number(config: Config, name: str) -> float:
    """A parameter of a checked config that is a number, as a float: 1 and 1.0 mean the same."""
    value = config[name]
    assert _is_number(value), f"'{name}' is a number in every config that passes its check"
    return float(value)


def corners(space: Space) -> Iterator[dict[str, Value]]:
    """The configs with every parameter at its first value and at its last."""
    for u in (0.0, math.nextafter(1.0, 0.0)):
        yield space.at(dict.fromkeys(space.parameters, u))


def _with_none(given: Any) -> Any:
    if isinstance(given, list | tuple):
        return [_with_none(value) for value in given]
    return None if given == "none" else given


def _domain(given: Any) -> Domain:
    if not isinstance(given, Mapping):
        options = tuple(given) if isinstance(given, list | tuple) else (given,)
        return Choice(options, source="the study")
    low, high, log = given.get("low"), given.get("high"), given.get("log", False)
    known = set(given) <= {"low", "high", "log", "step"}
    if not (known and _is_number(low) and _is_number(high) and isinstance(log, bool)):
        raise InputError(
            f"A range is {quoted(str(dict(given)), 80)}.",
            "Write { low = 1, high = 9 }, with log = true or step = 2 if needed.",
        )
    if isinstance(low, int) and isinstance(high, int):
        return Int(low, high, _step(given.get("step", 1)), log, source="the study")
    if "step" in given:
        raise InputError(
            "A range has a step but its ends are not whole numbers.", "List its values instead."
        )
    _check_range(low, high, log)
    return Float(float(low), float(high), log, source="the study")


def _step(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise InputError(
            f"A range has step {quoted(str(given))}.", "Give a whole number, such as step = 2."
        )
    return given


def _closest(domain: Domain, value: Value) -> Value:
    """The value of the domain that is nearest to a number, else its middle."""
    if value in domain:
        return value
    if not _is_number(value) or not math.isfinite(value):
        return domain.at(0.5)
    if isinstance(domain, Choice):
        numeric = [option for option in domain.options if _is_number(option)]
        whole = len(numeric) == len(domain.options)
        return min(numeric, key=lambda one: abs(one - value)) if whole else domain.at(0.5)
    if isinstance(domain, Float):
        return min(max(float(value), domain.low), domain.high)
    place = math.ceil((value - domain.low) / domain.step - 0.5)
    return domain.values()[min(max(place, 0), len(domain.values()) - 1)]


def _alike(left: Value, right: Value) -> bool:
    return _same(left, right) or (_is_number(left) and _is_number(right))


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(left: object, right: object) -> bool:
    """Equality in which true is not 1: both are written differently in a study file."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _plain(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_range(low: float, high: float, log: bool) -> None:
    if any(isinstance(end, int) and abs(end) > LARGEST for end in (low, high)):
        raise InputError(
            f"A range runs from {quoted(str(low))} to {quoted(str(high))}.",
            f"Give whole numbers up to {LARGEST}.",
        )
    if not (math.isfinite(low) and math.isfinite(high)) or low > high or (log and low <= 0):
        raise InputError(
            f"A range runs from {low} to {high}{' in logarithm' if log else ''}.",
            "Give finite ends, the lower first, and above zero for a logarithmic range.",
        )
