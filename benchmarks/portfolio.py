"""One search over many families against the whole budget for the family that turns out best.

    python benchmarks/portfolio.py ../shared/data/mp_e_form_folds.csv.gz

On fold 0 of mp_e_form (or as ``--split`` says), of which only training and validation rows are
read: ``study start all_families`` for the budget, then for each of the two families that it ranks
best a study of that family alone, with the same preset, rungs and seed, and the whole budget.
Printed and written to benchmarks/results/: the best validation MAE of each family in each search,
what it got (trials and hours), and ratios to the best of the searches of one family: 1.01 is 1 %
worse. A trial that was halted with its search is not ranked; the best value of any is written
beside. Features lie in the cache. ``--beside FAMILY`` runs that one search alone at the same time
as the other, each on half of the cores, with the features that the other has for it. ``--smoke``
takes every 50th row, a minute and three families.
"""

import argparse
import math
import multiprocessing
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from _results import write
from fold0 import imported, run, start, thinned

NAME = "all_families"
ALONE = 2  # families that are searched alone afterwards
LONGEST = "element_sequence:longest=10"
CORES = os.sched_getaffinity(0)


class Terms(NamedTuple):
    """What all searches have in common."""

    seconds: int
    seed: int
    split: str

    @property
    def words(self) -> list[str]:
        """To type."""
        limits = ["--time-limit", f"{self.seconds}s", "--seed", str(self.seed)]
        return ["--data", "mp_e_form", "--split", self.split, *limits]


def alone(line: dict[str, Any], study: Any, terms: Terms) -> dict[str, Any]:
    """The line of a search of one family: of so many trials that time alone ends it."""
    family = line["family"]
    rungs = ["grace", "reduction_factor"]  # as they suit the budget of many
    sets = [word for key in rungs for word in ("--set", f"{key}={study[key]}")]
    start(
        *(family, "--name", f"{family}-alone", "--preset", study["preset"]),
        *("--sampler", study["sampler"]),  # the study of that name may have another one
        *("--features", study["features"], "--trials", "10000", *sets, *terms.words),
    )
    [found] = lines("alone", f"{family}-alone")
    return found


def lines(search: str, *names: str) -> list[dict[str, Any]]:
    """What the studies of a search came to, the best first."""
    from fesearch.record import TrialState
    from fesearch.store.results import Store

    found = []
    with Store.open(os.environ["FESEARCH_STORAGE"], create=False) as store:
        for name in names:
            row = store.study(name)
            trials = store.trials(row)
            usable = [one.value for one in trials if one.state.usable and one.value is not None]
            reached = [one.value for one in trials if one.value is not None]
            found.append(
                {
                    "search": search,
                    "family": row.definition["study"]["family"],
                    "val_mae": min(usable, default=None),
                    "val_mae_of_halted_too": min(reached, default=None),
                    "trials": len(trials),
                    "ended": sum(one.state is not TrialState.RUNNING for one in trials),
                    "hours": round(row.seconds / 3600, 4),
                }
            )
    return sorted(found, key=lambda line: (line["val_mae"] is None, line["val_mae"] or 0.0))


def halves() -> tuple[set[int], set[int]]:
    """The cores that the two searches have which run at the same time."""
    cores = sorted(CORES)
    return set(cores[: len(cores) // 2]), set(cores[len(cores) // 2 :])


def apart(family: str, terms: Terms) -> None:
    """The search of one family, on its half of the cores; with rungs for as many trials as many."""
    from fesearch.portfolio import LIKELY
    from fesearch.studyfile import read

    os.sched_setaffinity(0, halves()[1])
    features = read(NAME)["each"].get(family, {}).get("features")
    start(
        *(family, "--name", f"{family}-alone", "--preset", "full"),
        *("--trials", str(LIKELY), *terms.words),
        *(("--features", features) if features else ()),
    )


def measure(terms: Terms, smoke: bool, beside: str | None) -> list[dict[str, Any]]:
    """All searches; every line with its ratio to the best search of one family."""
    from fesearch.search.standings import members
    from fesearch.store.results import Store

    url = os.environ["FESEARCH_STORAGE"]
    few = ["--families", "lightgbm,random_forest,ridge"] if smoke else []
    if beside is not None:
        other = multiprocessing.get_context("spawn").Process(target=apart, args=(beside, terms))
        other.start()
        os.sched_setaffinity(0, halves()[0])
    start(NAME, *few, *terms.words)
    names = [one.study.name for one in members(NAME, url)]
    found = lines("together", *names)
    if beside is not None:
        other.join()
        found += lines("alone", f"{beside}-alone")
    else:
        for line in found[:ALONE]:
            with Store.open(url, create=False) as store:
                study = store.study(f"{NAME}-{line['family']}").definition["study"]
            found.append(alone(line, study, terms))
            print(found[-1], flush=True)
    goal = min(line["val_mae"] or math.inf for line in found if line["search"] == "alone")
    return [{**terms._asdict(), **line, "ratio": ratio(line, goal)} for line in found]


def ratio(line: dict[str, Any], goal: float) -> float | None:
    """How much worse it is than the best search of one family; None without a ranked trial."""
    return None if line["val_mae"] is None else round(line["val_mae"] / goal, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--seconds", type=int, default=1800, help="of each of the three searches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", default="column:fold0")
    parser.add_argument("--every", type=int, default=1, help="take every so many rows")
    parser.add_argument("--beside", metavar="FAMILY", help="alone at the same time; no others")
    parser.add_argument("--folder", type=Path, help="to work in and leave all there")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    file, every = given.file.resolve(), 50 if given.smoke else given.every
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(given.folder or scratch)
        os.environ["FESEARCH_STORAGE"] = f"sqlite:///{Path('fesearch.db').resolve()}"
        if every > 1:
            file = thinned(file, Path("thinned.csv.gz").resolve(), every)
        imported(file)
        for features in ("magpie", "magpie+element_fractions", "element_grid", LONGEST):
            run("features", "build", "mp_e_form", "--features", features)
        seconds = 60 if given.smoke else given.seconds
        terms = Terms(seconds, given.seed, given.split)
        found = measure(terms, given.smoke, given.beside)
    for line in found:
        print(line)
    if every == 1:
        write("portfolio", found)


if __name__ == "__main__":
    main()
