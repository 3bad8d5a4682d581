"""The learning curves that come with fesearch: configs of three families on real data.

    python benchmarks/curves.py ../shared/data/mp_e_form_folds.csv.gz

Random configs of irnet, dnn and lightgbm, each trained to its end by fesearch itself on fold 0 of
mp_e_form (a twentieth of its training formulas, the whole validation part, no test row), in a
scratch folder. What is written, by default to fesearch/search/curves.json.gz, is values only:
config, validation MAE after each step, seconds a step; and the device, the commit and the content
hash of the data. ``fesearch simulate`` replays it. ``--smoke`` trains three configs a family for
three steps and keeps nothing, unless ``--to`` names a file.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from _results import origin

from fesearch.search.curves import SHIPPED, recorded, write

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
    "lightgbm": ("space.num_leaves={low=15,high=127,log=true}", "patience=200"),
}
SMOKE = ("space.num_leaves=15", "patience=10")


def run(*arguments: str) -> None:
    """One command of fesearch, timed."""
    began = time.perf_counter()
    print("$ fesearch", *arguments, flush=True)
    subprocess.run(["fesearch", *arguments], stdout=subprocess.DEVNULL, check=True)
    print(f"  {time.perf_counter() - began:.1f} s", flush=True)


def record(file: Path, families: list[str], trials: int, smoke: bool, seed: int) -> None:
    """Import, and train the configs of each family; what is there already is taken up."""
    if not Path("curves.db").exists():
        run(
            *("data", "import", str(file), "--name", "mp_e_form", "--formula", "formula"),
            *("--target", "target", "--unit", "eV/atom", "--columns", "fold0"),
        )
    for family in families:
        sets = list(FAMILIES[family])
        if smoke:
            sets = [*sets[:-1], "max_epochs=3"] if "max_epochs=27" in sets else list(SMOKE)
        run(
            *("study", "start", family, "--name", family, "--data", "mp_e_form"),
            *("--or-resume", "--split", SPLIT, "--preset", "full", "--trials", str(trials)),
            *("--sampler", "random", "--pruner", "none", "--seed", str(seed)),
            *(word for text in sets for word in ("--set", text)),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--configs", type=int, default=100, help="of each family")
    parser.add_argument("--family", choices=FAMILIES, action="append", help="only these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="to work in and leave all there")
    parser.add_argument("--to", type=Path, default=None, help=f"by default {SHIPPED.name}")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    file, to = given.file.resolve(), given.to and given.to.resolve()
    families = given.family or list(FAMILIES)
    commit, device = origin()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(given.folder or scratch)
        os.environ["FESEARCH_STORAGE"] = "sqlite:///curves.db"
        os.environ["FESEARCH_ARTIFACTS"] = str(Path("artifacts").resolve())
        record(file, families, 3 if given.smoke else given.configs, given.smoke, given.seed)
        tables = [recorded(family, "sqlite:///curves.db") for family in families]
        to = to or (Path("curves.json.gz") if given.smoke else SHIPPED)
        write(tables, to, commit=commit, device=device)
        print(f"written: {to.name}, {to.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
