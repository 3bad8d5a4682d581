"""What the defaults of ASHA and of ``auto`` are chosen from: searches simulated on real curves.

    python benchmarks/policies.py

Everything is replayed from the shipped curves (``curves.py`` records them), each family apart:

- ``terms``: random search with ASHA of several first rungs and factors, and with each pruner's
  defaults, for 1 and 8 workers, in the time that half of all configs take to their ends one after
  another: the best value so far at a quarter of it, at half of it and at its end; how many times
  as fast as without pruning it has what that has in the end.
- ``samplers``: each sampler and ``auto``, with the default ASHA and one worker, for budgets of 10,
  20 and 40 trials: the best value in the end, and how many times as fast as random search it has
  what that has in the end.
- ``whole``: the same without pruning.
- ``unpruned``: what a user would have else, TPE and random search without pruning, beside random
  search, TPE and ``auto`` with the default ASHA, in the time of ``terms``: how many times as fast
  as TPE without pruning each has what that has in the end.

Values are medians over seeds, ``low`` and ``high`` their quartiles. Written to
benchmarks/results/, with the searches that were simulated a minute; at the end the policies are
listed by their speed, the geometric mean over families and workers. ``--table`` makes only some of
the tables, each in a file of its own. ``--smoke`` takes two seeds, leaves out gp, cmaes and auto
and keeps nothing.
"""

import argparse
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from _results import write

from fesearch.search.curves import SHIPPED, Curves, read
from fesearch.simulation import Limits, Policy, compare, policies

FACTORS, GRACES, WORKERS = (2, 3, 4), (1, 3, 9), (1, 8)
FAST, BUDGETS = ("random", "qmc", "tpe"), (10, 20, 40)
SLOW = ("random", "gp", "cmaes", "auto")
"""Samplers, each compared with the first; and trials of a search. Slow ones take seconds for it."""
PLAIN = Policy("random", "none")
UNPRUNED = (
    *(Policy("tpe", "none"), PLAIN),
    *(Policy(sampler, "asha") for sampler in ("random", "tpe", "auto")),
)
PRUNERS = {"samplers": "asha", "whole": "none"}
TABLES = ("terms", "samplers", "whole", "unpruned")
POLICY = ("table", "budget_trials", "sampler", "pruner", "reduction_factor", "grace_steps")


def terms(curves: Curves) -> list[Policy]:
    """No pruning, each pruner as it is by default, and ASHA with terms of its own."""
    step = curves.study.declared_family().resource.step
    graces = [step * grace for grace in GRACES]
    defaults = [Policy("random", pruner) for pruner in ("asha", "hyperband", "median")]
    return [PLAIN, *defaults, *policies(["random"], ["asha"], FACTORS, graces)]


def lines_of(
    table: str, curves: Curves, every: Sequence[Policy], seeds: int, limits: Limits, workers: int
) -> Iterator[dict[str, Any]]:
    """What each policy finds, the first one being what the others are compared with."""
    every = [replace(one, workers=workers) for one in every]
    step = curves.study.declared_family().resource.step
    began = time.perf_counter()
    found = compare(curves, every, seeds=seeds, limits=limits)
    rate = 60 * len(every) * seeds / (time.perf_counter() - began)
    for outcome in found.outcomes:
        quarter, half, end = outcome.at([found.horizon / 4, found.horizon / 2, found.horizon])
        speed = found.speed(outcome)
        yield {
            "table": table,
            "family": curves.study.family,
            "configs": len(curves.curves),
            "sampler": outcome.policy.sampler,
            "pruner": outcome.policy.pruner,
            "reduction_factor": outcome.policy.reduction_factor,
            "grace_steps": outcome.policy.grace and outcome.policy.grace // step,
            "workers": workers,
            "budget_trials": limits.trials,
            "horizon_seconds": round(found.horizon, 1),
            "searches": seeds,
            "trials": round(outcome.trials, 1),
            "seconds": round(outcome.seconds, 1),
            "best_at_quarter": quarter.median,
            "best_at_half": half.median,
            "best": end.median,
            "low": end.low,
            "high": end.high,
            "unit": curves.unit,
            "speed": None if speed is None else round(speed, 2),
            "efficiency": round(outcome.efficiency, 3),
            "searches_simulated_a_minute": round(rate),
        }


def by_speed(lines: Sequence[Mapping[str, Any]]) -> list[tuple[float, tuple[Any, ...]]]:
    """Each policy with its mean speed, the fastest first; 0 where it is unknown for a family."""
    speeds: dict[tuple[Any, ...], list[float]] = {}
    for line in lines:
        speeds.setdefault(tuple(line[key] for key in POLICY), []).append(line["speed"] or 0.0)
    means = {
        policy: math.exp(sum(map(math.log, found)) / len(found)) if all(found) else 0.0
        for policy, found in speeds.items()
    }
    return sorted(((mean, policy) for policy, mean in means.items()), key=lambda one: -one[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--curves", type=Path, default=SHIPPED, help="of curves.py")
    parser.add_argument("--family", action="append", help="only these")
    parser.add_argument("--seeds", type=int, default=100, help="searches of each policy")
    parser.add_argument("--slow-seeds", type=int, default=10, help="those of gp and auto")
    parser.add_argument("--table", action="append", choices=TABLES, help="only these")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    seeds, slow = (2, 0) if given.smoke else (given.seeds, given.slow_seeds)
    wanted = given.table or TABLES
    whole = not given.table and not given.family
    lines: list[dict[str, Any]] = []

    def add(found: Iterator[dict[str, Any]]) -> None:
        for line in found:
            print({key: value for key, value in line.items() if value is not None}, flush=True)
            lines.append(line)
        if not given.smoke:
            write("policies" if whole else f"policies-{'-'.join(wanted)}", lines)

    for curves in read(given.curves):
        if given.family and curves.name not in given.family:
            continue
        for workers in WORKERS if "terms" in wanted else ():
            add(lines_of("terms", curves, terms(curves), seeds, Limits(), workers))
        for workers in WORKERS if "unpruned" in wanted and slow else ():
            add(lines_of("unpruned", curves, UNPRUNED, slow, Limits(), workers))
        for table, pruner in PRUNERS.items():
            for budget in BUDGETS if table in wanted else ():
                for samplers, count in ((FAST, seeds), (SLOW, slow)):
                    some = [Policy(sampler, pruner) for sampler in samplers]
                    if count:
                        add(lines_of(table, curves, some, count, Limits(budget), 1))
    print("times as fast:", ", ".join(POLICY))
    for mean, policy in by_speed(lines):
        print(f"{mean:13.2f}", *("-" if word is None else word for word in policy))


if __name__ == "__main__":
    main()
