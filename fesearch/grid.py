"""Every config of a space, where none of its parameters is continuous: how many, and which."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fesearch.errors import InputError

if TYPE_CHECKING:
    from fesearch.space import Space, Value

LARGEST_GRID = 1_000_000  # configs, which are held in memory


def configs(space: "Space") -> "Iterator[dict[str, Value]]":
    """See ``Space.grid``."""
    choices = {}
    for name, domain in space.occurring().items():
        entry, values = space.parameters[name], domain.values()
        if values is None:
            raise InputError(
                f"The parameter '{name}' is continuous ({entry}), so there is no grid of it.",
                f"List its values, as in --set space.{name}=[...], or use --sampler tpe.",
            )
        choices[name] = values
    count = _count(space, list(space.parameters), {})
    if count > LARGEST_GRID:
        raise InputError(
            f"The grid of this space has {count} configs.",
            f"Narrow it to {LARGEST_GRID} or fewer, or use --sampler tpe.",
        )
    return _walk(space, list(choices), choices, {})


def size(space: "Space") -> int | None:
    """See ``Space.size``."""
    if any(domain.values() is None for domain in space.occurring().values()):
        return None
    return _count(space, list(space.parameters), {})


def _count(space: "Space", names: list[str], config: "dict[str, Value]") -> int:
    """The configs below ``config``: only parameters that decide on others are enumerated."""
    if not names:
        return 1
    name, rest = names[0], names[1:]
    domain = space.active(name, config)
    if domain is None:
        return _count(space, rest, config)
    values = domain.values() or ()
    if space.decides(name):
        return sum(_count(space, rest, {**config, name: value}) for value in values)
    return len(values) * _count(space, rest, config)


def _walk(
    space: "Space",
    names: list[str],
    choices: "Mapping[str, Sequence[Value]]",
    config: "dict[str, Value]",
) -> "Iterator[dict[str, Value]]":
    if not names:
        yield dict(config)
        return
    name, rest = names[0], names[1:]
    if space.active(name, config) is None:
        yield from _walk(space, rest, choices, config)
        return
    for value in choices[name]:
        yield from _walk(space, rest, choices, {**config, name: value})
