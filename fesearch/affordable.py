"""What methods cost that grow faster than their rows: known, and refused, before they start."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fesearch.errors import InputError
from fesearch.hardware import memory
from fesearch.space import Config, Int, Space, Value

if TYPE_CHECKING:
    from fesearch.split import Development

MOST_HOURS = 2.0
"""Of one fit, which cannot be stopped half way: beyond it a search of many trials has no end."""
SHARE = 0.5
"""Of the free memory one fit may take: other trials run beside it."""
ROWS = Int(2, 1 << 40, source="fesearch")
"""Training rows to draw; a config may have None instead, which is all of them."""


@dataclass(frozen=True)
class Cost:
    """What a fit takes: memory in bytes, time in seconds."""

    memory: float
    seconds: float

    @property
    def affordable(self) -> bool:
        """Whether this machine's memory and ``MOST_HOURS`` suffice."""
        return self.memory <= SHARE * free_memory() and self.seconds <= 3600 * MOST_HOURS


def check(limits: Space, config: Config) -> None:
    """Refuse a config outside ``limits``, whose ``rows`` are a number or None.

    Raises:
        InputError: names the parameter.
    """
    drawn = "rows" in config and config["rows"] is None
    limits.check({**config, "rows": ROWS.low} if drawn else config)


def drawn(data: "Development", rows: Value, seed: int) -> "Development":
    """The data with so many training rows, drawn by the seed; all where there are no more."""
    from fesearch.seeds import generator

    if rows is None:
        return data
    assert isinstance(rows, int)
    if rows >= len(data.train_y):
        return data
    chosen = generator(seed, "rows").choice(len(data.train_y), rows, replace=False)
    chosen.sort()
    return replace(data, train_x=data.train_x[chosen], train_y=data.train_y[chosen])


def refuse_too_many(
    family: str, config: Config, data: "Development", cost: Callable[[int], Cost]
) -> None:
    """Refuse a fit that this machine's memory or ``MOST_HOURS`` do not suffice for.

    Args:
        config: its ``rows`` are drawn from those to train on, or None are drawn.
        cost: of a fit on so many training rows.

    Raises:
        InputError: says what it would take, and a number of rows that is affordable.
    """
    drawn = config["rows"]
    rows = min(len(data.train_y), drawn) if isinstance(drawn, int) else len(data.train_y)
    wanted = cost(rows)
    if wanted.affordable:
        return
    fewer = rows
    while fewer > ROWS.low and not cost(fewer).affordable:
        fewer = int(0.9 * fewer)
    raise InputError(
        f"{family} on {rows} training rows takes about {wanted.memory / 1e9:.1f} GB and "
        f"{wanted.seconds / 3600:.1f} hours; a trial may take {SHARE * free_memory() / 1e9:.1f} GB "
        f"and {MOST_HOURS:g} hours here.",
        f"Train it on rows drawn from them: --set space.rows={_rounded(fewer)}",
    )


def free_memory() -> int:
    """Bytes a process can take without swapping; the limits of containers and jobs count."""
    return memory().free


def _rounded(rows: int) -> int:
    """Rounded down to two digits."""
    digits = str(rows)
    return max(int(digits[:2].ljust(len(digits), "0")), ROWS.low)
