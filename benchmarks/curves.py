"""The learning curves that come with fesearch: configs of three families on real data.

    python benchmarks/curves.py ../shared/data/mp_e_form_folds.csv.gz --folder work

Random configs of irnet, dnn and lightgbm, each trained to its end by fesearch itself on fold 0 of
mp_e_form (a twentieth of its training formulas, the whole validation part, no test row). Each
family has its share of ``--minutes``, and as many configs are recorded as end within it, at most
``--configs``. What is written, by default to fesearch/search/curves.json.gz, is values only:
config, validation MAE after each step, seconds a step; and the device, the commit and the content
hash of the data. ``fesearch simulate`` replays it, and ``policies.py`` compares ways to search on
it.

It is written after each family, and a family that fails is left out, so whatever comes between
costs no more than one. The same command goes on in the same ``--folder``; without one, all but the
table is removed. ``--smoke`` trains three configs a family for three steps and keeps nothing,
unless ``--to`` names a file.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _results import origin

from fesearch.errors import FesearchError
from fesearch.search.curves import SHIPPED, Curves, recorded, write

SPLIT = "column:fold0,train=0.05"
NET = (
    "space.depth={low=3,high=9}",
    "space.width={low=0.0625,high=0.25,log=true}",
    "space.batch_size={low=64,high=512,log=true}",
    "space.schedule=['constant','cosine']",
    "space.epochs=27",
)
FAMILIES = {
    "irnet": (*NET, "max_epochs=27"),
    "dnn": (*NET, "max_epochs=27"),
    "lightgbm": (
        "space.num_leaves={low=15,high=127,log=true}",
        "space.learning_rate={low=0.03,high=0.3,log=true}",
        "patience=200",
    ),
}
SMOKE = ("space.num_leaves=15", "patience=10")


def run(*arguments: str) -> None:
    """One command of fesearch, timed."""
    began = time.perf_counter()
    print("$ fesearch", *arguments, flush=True)
    subprocess.run(["fesearch", *arguments], stdout=subprocess.DEVNULL, check=True)
    print(f"  {time.perf_counter() - began:.1f} s", flush=True)


def save_data(file: Path) -> None:
    """Import the data, where that is not done yet."""
    if not Path("imported").exists():
        run(
            *("data", "import", str(file), "--name", "mp_e_form", "--formula", "formula"),
            *("--target", "target", "--unit", "eV/atom", "--columns", "fold0"),
        )
        Path("imported").touch()


def train(family: str, trials: int, minutes: float, smoke: bool, seed: int) -> None:
    """Train the configs of a family; what has been trained already is taken up."""
    sets = list(FAMILIES[family])
    if smoke:
        sets = [*sets[:-1], "max_epochs=3"] if "max_epochs=27" in sets else list(SMOKE)
    run(
        *("study", "start", family, "--name", family, "--data", "mp_e_form"),
        *("--or-resume", "--split", SPLIT, "--preset", "full", "--trials", str(trials)),
        *("--sampler", "random", "--pruner", "none", "--seed", str(seed)),
        *("--time-limit", f"{60 * minutes:.0f}s"),
        *(word for text in sets for word in ("--set", text)),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--configs", type=int, default=150, help="of each family, at most")
    parser.add_argument("--minutes", type=float, default=15.0, help="of all families together")
    parser.add_argument("--family", choices=FAMILIES, action="append", help="only these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="to work in and leave all there")
    parser.add_argument("--to", type=Path, default=None, help=f"by default {SHIPPED.name}")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.family and given.to is None and not given.smoke:
        parser.error("--family records a part of the shipped table: say --to, where to write it")
    file, to = given.file.resolve(), given.to and given.to.resolve()
    families = given.family or list(FAMILIES)
    configs, minutes = 3 if given.smoke else given.configs, given.minutes / len(families)
    commit, device = origin()
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        if given.folder is not None:
            given.folder.mkdir(parents=True, exist_ok=True)
        os.chdir(given.folder or scratch)
        os.environ["FESEARCH_STORAGE"] = "sqlite:///curves.db"
        os.environ["FESEARCH_ARTIFACTS"] = str(Path("artifacts").resolve())
        save_data(file)
        to = to or (Path("curves.json.gz").resolve() if given.smoke else SHIPPED)
        tables: list[Curves] = []
        for family in families:
            try:
                train(family, configs, minutes, given.smoke, given.seed)
                tables += recorded(family, "sqlite:///curves.db")
            except (subprocess.CalledProcessError, FesearchError) as error:
                failed.append(family)
                print(f"{family} is left out: {error}", file=sys.stderr, flush=True)
                continue
            write(tables, to, commit=commit, device=device)
            said = ", ".join(f"{len(one.curves)} of {one.name}" for one in tables)
            print(f"written: {to.name}, {to.stat().st_size:,} bytes: {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
