"""What methods cost that grow faster than their rows: known, and refused, before they start."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from fesearch.duration import spelled
from fesearch.errors import InputError
from fesearch.hardware import memory
from fesearch.space import Choice, Config, Int, Space, Value

if TYPE_CHECKING:
    import numpy as np

    from fesearch.family import Family
    from fesearch.split import Development

MOST_HOURS = 2.0
"""Of a trial, whose fits cannot be stopped half way: beyond, a search of many has no end."""
SHARE = 0.8
"""Of the free memory that fits side by side may take: estimates are of their largest parts."""
ROWS = Int(2, 1 << 40, source="fesearch")
"""Training rows to draw; a config may have None instead, which is all of them."""


@dataclass(frozen=True)
class Cost:
    """What a fit takes: memory in bytes, time in seconds."""

    memory: float
    seconds: float

    def share(self, trials: int) -> float:
        """Of what one of so many trials side by side may take: its memory, or ``MOST_HOURS``."""
        return max(self.memory / memory_of_one(trials), self.seconds / (3600 * MOST_HOURS))


OfRows: TypeAlias = "Callable[[Config, Development, int], Cost]"
"""What a fit of a config takes, of so many training rows of the data; see ``Family.cost``."""


def check(limits: Space, config: Config) -> None:
    """Refuse a config outside ``limits``, whose ``rows`` are a number or None.

    Raises:
        InputError: names the parameter.
    """
    drawn = "rows" in config and config["rows"] is None
    limits.check({**config, "rows": ROWS.low} if drawn else config)


def drawn(data: "Development", rows: Value) -> "Development":
    """The data with so many training rows drawn, or all where there are no more.

    Every config of a study is to have the same ones, so no seed draws them, and fewer are among
    more.
    """
    if rows is None:
        return data
    assert isinstance(rows, int)
    if rows >= len(data.train_y):
        return data
    chosen = some(len(data.train_y), rows)
    return replace(data, train_x=data.train_x[chosen], train_y=data.train_y[chosen])


def some(count: int, rows: int) -> "np.ndarray":
    """The positions of ``rows`` of so many rows, always the same, ascending."""
    import numpy as np

    from fesearch.seeds import generator

    return np.sort(generator(0, "rows").permutation(count)[:rows])


def of_a_trial(
    config: Config, data: "Development", cost: OfRows, rows: int | None = None
) -> tuple[int, Cost]:
    """The rows of the largest fit of a trial, and what all its fits take.

    On inner folds it has one for each, on the rows outside it, one after the other: of memory they
    take what the largest takes, of time all.

    Args:
        rows: no more than so many are drawn for a fit.
    """
    from fesearch.folds import each

    most = ROWS.high if rows is None else rows
    parts = [data] if data.folds is None else each(data)
    fits = [(min(trained_on(config, one), most), one) for one in parts]
    costs = [cost(config, one, count) for count, one in fits]
    whole = Cost(max(one.memory for one in costs), sum(one.seconds for one in costs))
    return max(count for count, _ in fits), whole


def refuse_too_many(
    family: str, config: Config, data: "Development", cost: OfRows, trials: int = 1
) -> None:
    """Refuse a trial that this machine's memory or ``MOST_HOURS`` do not suffice for.

    Args:
        config: its ``rows``, where it has any, are drawn from those to train on.
        trials: side by side, which share the memory; 1 for what is free now.

    Raises:
        InputError: says what it would take, and a number of rows that is affordable.
    """
    rows, wanted = of_a_trial(config, data, cost)
    if wanted.share(trials) <= 1:
        return
    fewer = _fewer(rows, lambda most: of_a_trial(config, data, cost, most)[1].share(trials) <= 1)
    raise InputError(
        f"{family} on {_fitted(rows, data)} takes about {wanted.memory / 1e9:.1f} GB and "
        f"{wanted.seconds / 3600:.1f} hours; a trial may take {memory_of_one(trials) / 1e9:.1f} GB "
        f"and {MOST_HOURS:g} hours here.",
        f"Train it on rows drawn from them: --set space.rows={_rounded(fewer)}",
    )


def refuse_too_long(family: "Family", space: Space, data: "Development", limit: float) -> None:
    """Refuse a family whose first config would not be trained within so many seconds.

    Raises:
        InputError: says what it would take, and a number of rows that is affordable.
    """
    cost = family.cost
    if cost is None:
        return
    first = family.first(space)
    rows, wanted = of_a_trial(first, data, cost)
    seconds = wanted.seconds
    if seconds <= limit:
        return
    fewer = _fewer(rows, lambda most: of_a_trial(first, data, cost, most)[1].seconds <= limit)
    raise InputError(
        f"{family.name} on {_fitted(rows, data)} takes about {_spelled(seconds)} for its first "
        f"config; a trial may take {_spelled(limit)} (trial_time_limit).",
        f"Train it on rows drawn from them: --set space.rows={_rounded(fewer)}; or let a trial "
        f"take longer: --set trial_time_limit={_spelled(seconds)}",
    )


def refuse_too_costly(family: "Family", space: Space, data: "Development", trials: int) -> None:
    """Refuse a space any config of which costs more than one of so many trials may take.

    Raises:
        InputError: see ``refuse_too_many``; and which parameters are at values that cost too much.
    """
    cost = family.cost
    if cost is None:
        return
    first = family.first(space)
    refuse_too_many(family.name, first, data, cost, trials)
    worst = costliest(space, first, lambda one: of_a_trial(one, data, cost)[1].share(trials))
    try:
        refuse_too_many(family.name, worst, data, cost, trials)
    except InputError as error:
        far = [name for name in worst if worst[name] != first.get(name)]
        values = " and ".join(f"'{name}' is {worst[name]}" for name in far)
        fixed = " ".join(f"--set space.{name}={first[name]}" for name in far if name in first)
        raise InputError(
            f"{error.message} That is where {values}, as the space allows.",
            f"{error.hint}; or leave the values of less cost: {fixed}",
        ) from None


def costliest(space: Space, config: Config, share: Callable[[Config], float]) -> Config:
    """The config of a space that costs most, found from another one a parameter at a time."""
    for name in space.parameters:
        domain = space.active(name, config)
        if domain is not None:
            ends = domain.options if isinstance(domain, Choice) else (domain.low, domain.high)
            others = (space.nearest({**config, name: end}) for end in ends)
            config = max(config, *others, key=share)
    return config


def trained_on(config: Config, data: "Development") -> int:
    """The training rows of a fit: those that its config draws, or all."""
    drawn = config.get("rows")
    return min(len(data.train_y), drawn) if isinstance(drawn, int) else len(data.train_y)


def memory_of_one(trials: int) -> float:
    """Bytes that one of so many trials side by side may take."""
    return max(SHARE * free_memory(), 1.0) / trials


def free_memory() -> int:
    """Bytes a process can take without swapping; the limits of containers and jobs count."""
    return memory().free


def _fewer(rows: int, affordable: Callable[[int], bool]) -> int:
    """As many rows as are affordable, to a tenth."""
    while rows > ROWS.low and not affordable(rows):
        rows = int(0.9 * rows)
    return rows


def _fitted(rows: int, data: "Development") -> str:
    """What the largest fit of a trial is on, and for how many inner folds it has one."""
    folds = "" if data.folds is None else f" for each of {data.folds.max() + 1} inner folds"
    return f"{rows} training rows{folds}"


def _spelled(seconds: float) -> str:
    """A length of time in whole seconds, rounded up."""
    return spelled(math.ceil(seconds))


def _rounded(rows: int) -> int:
    """Rounded down to two digits."""
    digits = str(rows)
    return max(int(digits[:2].ljust(len(digits), "0")), ROWS.low)
