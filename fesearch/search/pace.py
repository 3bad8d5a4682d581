"""How far the trials of a study go, and how large its models may be, in the time that it has.

It follows from how long an epoch of the first config takes, which ``stopwatch`` measures.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from fesearch.duration import spelled
from fesearch.search.halving import FACTOR
from fesearch.space import Choice, Config, Domain, Entry, Float, Int, Value, When, number
from fesearch.study import Study

PARTS = 3
"""The first config has one of so many parts of a worker's time: then others are still to come."""
USEFUL = 30
"""Epochs by which a network shows what it is good for, on most data."""
FEWEST = 10
"""Epochs: below, rungs would compare trials that have hardly begun."""
_ABOUT = 1.25  # times longer than wanted is no reason for another network
_TRIES = 3


class Fitted(NamedTuple):
    """What a study's time settles.

    Attributes:
        keys: of the study, ``max_epochs`` and ``space``, each if it is not as it was.
        why: a line for each, and for what a person might change.
    """

    keys: dict[str, Any]
    why: tuple[str, ...] = ()


class Time(NamedTuple):
    """What a study has.

    Attributes:
        seconds: in all, of each of its workers.
        part: seconds that its first config may take.
    """

    seconds: float
    part: float

    @classmethod
    def of(
        cls, seconds: float, trials: int, parallel: int, of_a_trial: float | None = None
    ) -> "Time":
        """Of so many trials, ``parallel`` of them side by side; a trial may have a limit too."""
        part = seconds / max(1, min(PARTS, math.ceil(trials / parallel)))
        return cls(seconds, part if of_a_trial is None else min(part, of_a_trial))


def is_open(study: Study) -> bool:
    """Whether a study's time can settle anything: it counts epochs, and has not said all itself."""
    counts = study.declared_family().resource.unit == "epochs"
    return counts and (_end_is_open(study) or _capacity(study, _first(study)) is not None)


def fitted(study: Study, time: Time, pace: Callable[[Config], float], prefix: str = "") -> Fitted:
    """Settle the end of a study's trials and the size of its models, where it leaves them open.

    Nothing is, where not one epoch of the smallest fits.

    Args:
        pace: config -> seconds of an epoch.
        prefix: of the study's keys where they are set, such as "each.irnet.".
    """
    family = study.declared_family()
    first = _first(study)
    pace = _once(pace)
    taken = pace(first)
    wanted = time.part / min(USEFUL, family.end(first, study.max_epochs))
    keys: dict[str, Any] = {}
    why: list[str] = []
    if taken > _ABOUT * wanted and (name := _capacity(study, first)) is not None:
        where = f"--set {prefix}space.{name}"
        long = f"an epoch of the first config takes about {_about(taken)}"
        most, at_most, domain = _smaller(study, name, pace, wanted)
        if domain is not None:
            keys["space"] = {**study.space, name: narrowed(domain, most)}
            why.append(
                f"{name} up to {most:g}: {long} with {name} {first[name]:g}, and "
                f"{_about(at_most)} with that; for all of the space give {where}=…"
            )
            taken = at_most
        elif most < number(first, name):
            why.append(
                f"{long} with {name} {first[name]:g}, so {int(time.part / taken)} are done in "
                f"{_about(time.part)} of {_about(time.seconds)}; for smaller networks add --preset "
                f"full, or {where}={most:g}"
            )
    if taken > time.seconds:
        return Fitted({}, () if keys else tuple(why))
    if _end_is_open(study) and (end := _end(study, time.part, taken)) is not None:
        keys["max_epochs"] = end
        why.append(
            f"max_epochs {end}: an epoch of the first config takes about {_about(taken)}, and "
            f"there are {_about(time.seconds)}; later: "
            f"fesearch study extend {study.name} --max-epochs {2 * end}"
        )
    return Fitted(keys, tuple(why))


def _smaller(
    study: Study, name: str, pace: Callable[[Config], float], wanted: float
) -> tuple[float, float, Domain | None]:
    """The largest value of a capacity that is fast enough, and the seconds of an epoch with it.

    Returns:
        the domain that it is of, too: None where the preset has no smaller one, so that it is of
        the full space.
    """
    family, space, first = study.declared_family(), study.search_space(), _first(study)
    own, full = (_numbers(one.parameters.get(name)) for one in (space, family.full))
    now = number(first, name)
    narrows = own is not None and lowest(own) < now

    def at(value: float) -> float:
        return pace({**first, name: value})

    among = own if narrows else full
    most = now if among is None else largest(at, among, now, wanted)
    return most, at(most), own if narrows else None


def largest(pace: Callable[[float], float], domain: Domain, now: float, wanted: float) -> float:
    """The largest value of a domain, up to ``now``, at which an epoch takes about so many seconds.

    Or the lowest, where none is as fast. Between two measured values an epoch is taken to consist
    of a part that does not depend on the value and one that grows with its square, as the weights
    of a layer do; where it takes longer still, that is measured and the next value is smaller.

    Args:
        pace: value -> seconds of an epoch.
    """
    low, high = lowest(domain), now
    for _ in range(_TRIES):
        if low >= high or pace(high) <= _ABOUT * wanted:
            return high
        if pace(low) >= wanted:
            return low
        share = (wanted - pace(low)) / (pace(high) - pace(low))
        high = _below(domain, math.sqrt(low**2 + share * (high**2 - low**2)))
    return high


def lowest(domain: Domain) -> float:
    """The smallest number of a domain of numbers."""
    return min(_options(domain)) if isinstance(domain, Choice) else domain.low


def narrowed(domain: Domain, most: float) -> Any:
    """The values of a domain up to ``most``, as a study file writes them."""
    if isinstance(domain, Choice):
        return [option for option in _options(domain) if option <= most]
    if isinstance(domain, Float):
        return {"low": domain.low, "high": max(most, domain.low), "log": domain.log}
    high = max(int(most), domain.low)
    return {"low": domain.low, "high": high, "step": domain.step, "log": domain.log}


def _end(study: Study, part: float, pace: float) -> int | None:
    """The end of its trials; None where it is later than without a limit.

    Trials are compared once at least, where the study says when they are first.
    """
    fewest = max(FEWEST, (study.grace or 0) * (study.reduction_factor or FACTOR))
    step = study.declared_family().resource.step
    end = max(int(part / pace), fewest) // step * step
    return end if step <= end < study.end() else None


def _once(pace: Callable[[Config], float]) -> Callable[[Config], float]:
    """The same, each config measured once."""
    known: dict[tuple[tuple[str, Value], ...], float] = {}

    def remembered(config: Config) -> float:
        key = tuple(config.items())
        if key not in known:
            known[key] = pace(config)
        return known[key]

    return remembered


def _first(study: Study) -> Config:
    return study.declared_family().first(study.search_space())


def _end_is_open(study: Study) -> bool:
    """Whether neither ``max_epochs`` nor the end of a schedule is the study's own."""
    return study.max_epochs is None and study.declared_family().resource.unit not in study.space


def _capacity(study: Study, first: Config) -> str | None:
    """The parameter that may be narrowed; None where the study says it, or what to begin with."""
    name = study.declared_family().capacity
    said = study.warm_start is not None or name in study.space
    return None if said or name not in first else name


def _numbers(entry: Entry | None) -> Domain | None:
    """The domain of a parameter, if its values are numbers."""
    domain = entry.domain if isinstance(entry, When) else entry
    if isinstance(domain, Choice) and len(_options(domain)) < len(domain.options):
        return None
    return domain


def _options(domain: Choice) -> list[int | float]:
    return [one for one in domain.options if isinstance(one, int | float)]


def _below(domain: Domain, value: float) -> float:
    """The nearest value of the domain that is no larger, or its lowest; two digits will do."""
    if isinstance(domain, Choice):
        return max([one for one in _options(domain) if one <= value], default=lowest(domain))
    if isinstance(domain, Int):
        return max(domain.low, domain.low + (int(value) - domain.low) // domain.step * domain.step)
    digits = 1 - math.floor(math.log10(value)) if value > 0 else 0
    return float(max(domain.low, math.floor(value * 10.0**digits) / 10.0**digits))


def _about(seconds: float) -> str:
    """So much time in words."""
    return spelled(round(seconds)) if seconds >= 10 else f"{seconds:.2g} s"
