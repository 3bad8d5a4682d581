"""How far the trials of a study go, and how large its models may be, in the time that it has.

It follows from how long an epoch takes, which ``stopwatch`` measures: of the first config, or of
the last of several that are tried first, which is the one most is hoped of.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from fesearch.configs import written
from fesearch.duration import spelled
from fesearch.search.halving import FACTOR
from fesearch.space import Choice, Config, Domain, Entry, Float, Int, Value, When, number
from fesearch.study import Study

PARTS = 3
"""Each first config has one of so many parts of a worker's time: then others are still to come."""
USEFUL = 30
"""Epochs by which a network shows what it is good for, on most data."""
FEWEST = 10
"""Epochs: below, rungs would compare trials that have hardly begun."""
_ABOUT = 1.25  # times longer than wanted is no reason for another network
_TRIES = 3


class UnmeasuredError(Exception):
    """How long an epoch of a config takes is not known; its trials will say why."""


class Fitted(NamedTuple):
    """What a study's time settles.

    Attributes:
        keys: of the study, ``max_epochs``, ``space`` and ``first``, each if it is not as it was.
        why: a line for each, and for what a person might change.
    """

    keys: dict[str, Any]
    why: tuple[str, ...] = ()


class Time(NamedTuple):
    """What a study has.

    Attributes:
        seconds: in all, of each of its workers.
        part: seconds that each of its first configs may take.
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


class _Size(NamedTuple):
    """The capacity of a config of the study.

    Attributes:
        pace: seconds of an epoch of the config with another capacity.
        option: that says which capacities a study has.
    """

    name: str
    first: float
    pace: Callable[[float], float]
    option: str


def is_open(study: Study) -> bool:
    """Whether a study's time can settle anything: it counts epochs, and has not said all itself."""
    counts = study.declared_family().resource.unit == "epochs"
    return counts and (_end_is_open(study) or _capacity(study, _basis(study)) is not None)


def fitted(study: Study, time: Time, pace: Callable[[Config], float], prefix: str = "") -> Fitted:
    """Settle the end of a study's trials and the size of its models, where it leaves them open.

    Nothing is, where not one epoch of the smallest fits.

    Args:
        pace: config -> seconds of an epoch; where it raises UnmeasuredError, the size stays.
        prefix: of the study's keys where they are set, such as "each.irnet.".

    Raises:
        UnmeasuredError: of the config that the others follow from.
    """
    family, first = study.declared_family(), _basis(study)
    pace = _once(pace)
    taken = pace(first)
    wanted = time.part / min(USEFUL, family.end(first, study.max_epochs))
    keys: dict[str, Any] = {}
    why: list[str] = []
    if (name := _capacity(study, first)) is not None:
        at, option = _of_others(pace, first, name), f"--set {prefix}space.{name}"
        size = _Size(name, number(first, name), at, option)
        with suppress(UnmeasuredError):
            if (domain := _open_domain(study, name)) is not None:
                keys, why = _smaller(study, size, domain, wanted)
            elif taken > _ABOUT * wanted:
                why = _too_large(study, size, time, wanted)
    if keys:
        first = _basis(study.model_copy(update=keys))
        taken = pace(first)
    if taken > time.seconds:
        none = f"an epoch takes about {_about(taken)}, and there are {_about(time.seconds)}"
        return Fitted({}, tuple(why) if why and not keys else (none,))
    if _end_is_open(study) and (end := _end(study, time.part, taken)) is not None:
        keys["max_epochs"] = end
        later = f"; later: fesearch study extend {study.name} --max-epochs {2 * end}"
        why.append(
            f"max_epochs {end}: an epoch of {_which(study)} takes about {_about(taken)}, and a "
            f"trial is to take about {_about(time.part)} of {_about(time.seconds)}"
            f"{later if family.extendable(first) else ''}"
        )
    if name is not None:
        narrower = _narrower(study.model_copy(update=keys).with_schedules(), name, time, pace)
        keys |= narrower.keys
        why += narrower.why
    return Fitted(keys, tuple(why))


def _narrower(study: Study, name: str, time: Time, pace: Callable[[Config], float]) -> Fitted:
    """The key ``first``, where one of several configs is too slow with the capacity of the last.

    It is tried behind the others then: it is not what was published any more, and where the one
    with all its capacity came second, it was stopped after an epoch for what that had by then.
    """
    family, (*others, last) = study.declared_family(), study.first_configs()
    domain = _open_domain(study, name)
    found: list[Config] = []
    narrow: list[Config] = []
    why: list[str] = []
    for config in others:
        if domain is None or name not in config:
            found.append(config)
            continue
        at, now = _of_others(pace, config, name), number(config, name)
        wanted = time.part / min(USEFUL, family.end(config, study.max_epochs))
        try:
            most = largest(at, domain, lowest(domain), now, wanted)
            fits = at(most) <= _ABOUT * wanted
        except UnmeasuredError:
            most, fits = now, True
        whole = fits and most >= now
        (found if whole else narrow).append(study.search_space().nearest({**config, name: most}))
        if not whole:
            which = "the published best config" if config is others[0] else "another"
            late = "" if fits else ": even so it does not end in time"
            why.append(
                f"{which} is tried with {name} {most:g}, for {now:g} takes longer, behind the next "
                f"one{late}"
            )
    first = [*found, last, *narrow]
    if first == [*others, last]:
        return Fitted({})
    return Fitted({"first": list(map(written, first))}, tuple(why))


def wider(study: Study, best: Config, part: float, pace: Callable[[Config], float]) -> float | None:
    """The capacity with which a config takes so much time to its end; None where it is no larger.

    Args:
        study: with its capacity open.
        part: seconds.
        pace: config -> seconds of an epoch.

    Raises:
        UnmeasuredError: of the config.
    """
    name = _capacity(study, best)
    domain = None if name is None else _open_domain(study, name)
    if name is None or domain is None or isinstance(domain, Choice):
        return None  # a sampler cannot learn from trials of other choices
    now, wanted = number(best, name), part / study.declared_family().end(best, study.max_epochs)
    found = largest(_of_others(_once(pace), best, name), domain, now, highest(domain), wanted)
    return found if found > _ABOUT * now else None


def up_to(asked: Study, now: Study, name: str, most: float) -> Any:
    """The values of a capacity that a study asked for, up to ``most``, or further if it has them.

    Args:
        now: the same study with its capacity narrowed.
    """
    domain, has = _open_domain(asked, name), _numbers(now.search_space().parameters.get(name))
    assert domain is not None, f"{name} is open"
    assert has is not None, f"{name} is a number"
    return narrowed(domain, max(most, highest(has)))


def _of_others(
    pace: Callable[[Config], float], first: Config, name: str
) -> Callable[[float], float]:
    return lambda value: pace({**first, name: value})


def _smaller(
    study: Study, size: _Size, domain: Domain, wanted: float
) -> tuple[dict[str, Any], list[str]]:
    """The space without the values of a capacity that are too slow, and why; or neither."""
    low, top = lowest(domain), highest(domain)
    if size.pace(size.first) > _ABOUT * wanted:
        top = size.first
    elif size.pace(top) > _ABOUT * wanted:
        low = size.first
    else:
        return {}, []
    most = largest(size.pace, domain, low, top, wanted)
    slow, fast = _about(size.pace(top)), _about(size.pace(most))
    line = (
        f"{size.name} up to {most:g}: an epoch takes about {slow} with {size.name} {top:g}, and "
        f"{fast} with that; for all of the space give {size.option}=…"
    )
    return {"space": {**study.space, size.name: narrowed(domain, most)}}, [line]


def _too_large(study: Study, size: _Size, time: Time, wanted: float) -> list[str]:
    """What a person might type whose space has no smaller networks; nothing where none would do."""
    full = _numbers(study.declared_family().full.parameters.get(size.name))
    if full is None:
        return []
    most = largest(size.pace, full, lowest(full), size.first, wanted)
    if most >= size.first:
        return []
    taken = size.pace(size.first)
    return [
        f"an epoch of {_which(study)} takes about {_about(taken)} with {size.name} "
        f"{size.first:g}, so {int(time.part / taken)} are done in {_about(time.part)} of "
        f"{_about(time.seconds)}; for smaller networks add --preset full, or {size.option}={most:g}"
    ]


def largest(
    pace: Callable[[float], float], domain: Domain, low: float, high: float, wanted: float
) -> float:
    """The largest value of a domain between two at which an epoch takes about so many seconds.

    Or ``low``, where none is as fast. Between two measured values an epoch is taken to consist of a
    part that does not depend on the value and one that grows with its square, as the weights of a
    layer do; where it takes longer still, that is measured and the next value is smaller.

    Args:
        pace: value -> seconds of an epoch.
    """
    for _ in range(_TRIES):
        if low >= high or pace(high) <= _ABOUT * wanted:
            return high
        if pace(low) >= wanted:
            return low
        share = (wanted - pace(low)) / (pace(high) - pace(low))
        high = max(low, _below(domain, math.sqrt(low**2 + share * (high**2 - low**2))))
    return high


def lowest(domain: Domain) -> float:
    """The smallest number of a domain of numbers."""
    return min(_options(domain)) if isinstance(domain, Choice) else domain.low


def highest(domain: Domain) -> float:
    """The largest number of a domain of numbers."""
    return max(_options(domain)) if isinstance(domain, Choice) else domain.high


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


def _basis(study: Study) -> Config:
    return study.first_configs()[-1]


def _which(study: Study) -> str:
    """What the basis is called."""
    count = len(study.first_configs())
    return "the first config" if count == 1 else f"config {count} of those tried first"


def _end_is_open(study: Study) -> bool:
    """Whether neither ``max_epochs`` nor the end of a schedule is the study's own."""
    return study.max_epochs is None and study.declared_family().resource.unit not in study.space


def _capacity(study: Study, first: Config) -> str | None:
    """The parameter that may be narrowed; None where the study says it, or what to begin with."""
    name = study.declared_family().capacity
    said = study.warm_start is not None or study.first or name in study.space
    return None if said or name not in first else name


def _open_domain(study: Study, name: str) -> Domain | None:
    """The domain of a parameter that may be narrowed: of several numbers, and not published."""
    domain = _numbers(study.search_space().parameters.get(name))
    several = domain is not None and lowest(domain) < highest(domain)
    return domain if several and study.preset != "published" else None


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
