"""Configs of a space: those that a person has written down in part, and those that try it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fesearch.errors import InputError
from fesearch.family import Family
from fesearch.space import LARGEST, Choice, Config, Domain, Float, Space, Value, When, number

_MOST_TRIED = 1000  # values of a range; of a wider one the ends are tried


def completed(family: Family, space: Space, given: Mapping[str, Any]) -> dict[str, Value]:
    """A config of a space, what is not given as in the family's best one, or nearest to that.

    Raises:
        InputError: names the parameter that the space has not, or whose value it has not.
    """
    given = {name: _none(space, name, value) for name, value in given.items()}
    for name, value in given.items():
        if isinstance(value, int) and abs(value) > LARGEST:
            raise InputError(f"'{name}' is beyond {LARGEST}.", "Give a smaller number.")
    config = _as_listed(space, family.first(space, given))
    space.check({**config, **given})
    family.check(config)
    return config


def written(config: Config) -> dict[str, Value]:
    """A config as a study file writes it, where a key without a value is not there at all."""
    return {name: "none" if value is None else value for name, value in config.items()}


def _as_listed(space: Space, config: Config) -> dict[str, Value]:
    """The config with 24.0 as 24, where the space lists it so, and 1 as 1.0 in a range."""
    listed: dict[str, Value] = {}
    for name, value in config.items():
        domain = space.active(name, config)
        if isinstance(domain, Choice):
            value = next(one for one in domain.options if one in Choice((value,)))
        listed[name] = number(config, name) if isinstance(domain, Float) else value
    return listed


def _none(space: Space, name: str, value: Any) -> Any:
    """The word "none" is none, which TOML has no other for, where the space has it."""
    if value != "none" or name not in space.parameters:
        return value
    entry = space.parameters[name]
    domain = entry.domain if isinstance(entry, When) else entry
    return None if "none" not in domain and None in domain else value


def trying(
    family: Family, space: Space, parameter: str, most: int = _MOST_TRIED
) -> Iterator[Config]:
    """Configs of the space with the values of a parameter.

    Beside the family's best config; a parameter that exists only under some values of another one
    is tried beside each of these.

    Args:
        most: values of a range; of a longer one the ends are tried.
    """
    for config in _having(family, space, parameter):
        domain = space.active(parameter, config)
        assert domain is not None, f"'{parameter}' is in the config it is tried in"
        for value in _tried(domain, most):
            yield space.nearest({**config, parameter: value})


def _having(family: Family, space: Space, parameter: str) -> Iterator[Config]:
    """Configs of the space that have a parameter, one for each value that brings it about."""
    entry = space.parameters[parameter]
    if not isinstance(entry, When):
        yield family.first(space)
        return
    for config in _having(family, space, entry.parameter):
        deciding = space.active(entry.parameter, config)
        for value in entry.equals:
            if deciding is not None and value in deciding:
                yield space.nearest({**config, entry.parameter: value})


def _tried(domain: Domain, most: int) -> Sequence[Value]:
    values = domain.values()
    if values is None:
        assert isinstance(domain, Float)
        return domain.low, domain.high
    whole = isinstance(domain, Choice) or len(values) <= most
    return values if whole else (values[0], values[-1])
