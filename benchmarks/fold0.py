"""A real search from file to prediction: IRNet and random forest on fold 0 of mp_e_form.

    python benchmarks/fold0.py ../shared/data/mp_e_form_folds.csv.gz

runs the commands a user would type, in a scratch folder, prints how long each took, and writes the
ranking with device and commit to benchmarks/results/. Only validation is used. The published test
MAE of a random forest on these rows (Magpie features, 500 trees) is 0.1306 eV/atom, of Roost
0.0792, of CrabNet 0.0751 (Wang et al. 2021, npj Comput. Mater. 7, 77; recomputed from their
predictions).
``--smoke`` takes every 50th row and a minute or two.
"""

import argparse
import gzip
import itertools
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from _results import write

HERE = Path(__file__).resolve().parent
SMOKE = ["--max-epochs", "3", "--trials", "3"]


def run(*arguments: str) -> str:
    """One command of fesearch, timed; its stdout."""
    began = time.perf_counter()
    print("$ fesearch", *arguments, flush=True)
    done = subprocess.run(["fesearch", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    print(f"  {time.perf_counter() - began:.1f} s", flush=True)
    return done.stdout


def start(*arguments: str) -> None:
    """A search; one that ends without a usable trial has been one."""
    try:
        run("study", "start", *arguments)
    except subprocess.CalledProcessError as error:
        if error.returncode != 3:
            raise


CITATION = (
    "Jain et al., APL Materials 1, 011002 (2013), doi:10.1063/1.4812323; divisions: Wang et al., "
    "npj Comput. Mater. 7, 77 (2021), doi:10.1038/s41524-021-00545-1"
)


def imported(file: Path) -> None:
    """The file as the data set mp_e_form, with its divisions."""
    run(
        *("data", "import", str(file), "--name", "mp_e_form", "--formula", "formula"),
        *("--target", "target", "--unit", "eV/atom", "--columns", "fold0,fold1,fold2"),
        *("--licence", "CC-BY-4.0", "--citation", CITATION),
    )


def thinned(source: Path, to: Path, every: int = 50) -> Path:
    """The header and every 50th row of a gzip CSV file, as another."""
    with gzip.open(source, "rt") as lines, gzip.open(to, "wt") as kept:
        kept.write(next(lines))
        kept.writelines(itertools.islice(lines, 0, None, every))
    return to


def search(file: Path, smoke: bool, forest_limit: str, irnet_limit: str) -> list[dict[str, object]]:
    """Import, search both families, rank, export and predict; the lines of the ranking."""
    imported(file)
    run("features", "build", "mp_e_form", "--features", "magpie")
    run(
        *("study", "start", "random_forest", "--name", "rf-fold0", "--data", "mp_e_form"),
        *("--split", "column:fold0", "--sampler", "tpe", "--time-limit", forest_limit),
        *("--trials", "2" if smoke else "8"),
    )
    run(
        *("study", "start", str(HERE / "fold0_irnet.toml"), "--name", "irnet-fold0"),
        *("--time-limit", irnet_limit, *(SMOKE if smoke else ())),
    )
    ranking = json.loads(run("rank", "--split", "", "--format", "json"))
    best = ranking[0]
    run("export", best["study"], "--to", "model")
    print(run("predict", "model", "Fe2O3", "NaCl", "TiO2"))
    return ranking


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--forest-limit", default="12m")
    parser.add_argument("--irnet-limit", default="35m")
    parser.add_argument("--folder", type=Path, help="to work in and leave all there")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    file = given.file.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(given.folder or scratch)
        if given.smoke:
            file = thinned(file, Path("thinned.csv.gz").resolve())
        ranking = search(file, given.smoke, given.forest_limit, given.irnet_limit)
    if given.smoke:
        return
    write("fold0", ranking)


if __name__ == "__main__":
    main()
