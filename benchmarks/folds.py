"""Search on one fold, score on three: seven families and their ensemble on mp_e_form.

    python benchmarks/folds.py ../shared/data/mp_e_form_folds.csv.gz

Each family is searched by the validation part of fold 0 alone; the best config of each is then
trained on each of folds 0, 1 and 2 and meets their test parts once (``holdout --over``), and so
does the ensemble that fold 0's validation picks. The ranking over the three is written to
benchmarks/results/ with device and commit, the report page to the folder that ``--folder`` names.
What was published for the same rows stands beside it. Cut off, the same command with the same
``--folder`` goes on. ``--studies`` makes only some of them, whose lines have a file of their
own. ``--retrain`` trains what the ensemble has on training and validation part too. ``--smoke``
takes every 50th row and a few steps.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from _results import write
from fold0 import imported, run, start, thinned

FOLDS = "column:fold0+fold1+fold2"
NETS = (
    *("--features", "magpie+element_fractions", "--set", "space.optimizer=adamw"),
    *("--set", "space.activation=['relu','silu']", "--set", "space.schedule=cosine"),
    *("--set", "space.output_activation=none", "--set", "space.loss=mae"),
    *("--set", "space.dropout=0.0", "--set", "space.batch_size=[256,512]"),
    *("--set", "space.weight_decay={low=1e-6,high=1e-2,log=true}"),
    *("--set", "space.learning_rate={low=5e-4,high=4e-3,log=true}"),
)
SEQUENCES = (
    *("--features", "element_sequence:longest=9"),  # one compound has 9 elements
    *("--set", "space.optimizer=adamw", "--set", "space.schedule=cosine"),
    *("--set", "space.loss=mae", "--set", "space.dropout=0.0", "--set", "space.batch_size=[256]"),
    *("--set", "space.weight_decay={low=1e-6,high=1e-2,log=true}"),
)
WAVES = (
    *(*SEQUENCES, "--set", "space.blocks=3", "--set", "space.heads=4"),
    *("--set", "space.head_size=32", "--set", "space.learning_rate=2e-3"),
    *("--set", "space.weight_decay=1e-1"),
)
SEARCHES: dict[str, tuple[int, int | None, tuple[str, ...]]] = {
    "attention": (
        *(1, 30),
        (
            *SEQUENCES,
            *("--set", "space.blocks=3", "--set", "space.heads=4"),
            *("--set", "space.head_size=16", "--set", "space.learning_rate=2e-3"),
        ),
    ),
    "dnn": (3, 24, (*NETS, "--set", "space.layers=['512Ax5-1','512BAx5-1']")),
    "irnet": (
        *(3, 60),
        (*NETS, "--set", "space.depth=[8,17]", "--set", "space.width=0.5"),
    ),
    "irnet-today": (  # after what those have shown, wider and for longer
        *(1, 60),
        (
            *(*NETS, "--set", "space.depth=8", "--set", "space.norm=none"),
            *("--set", "space.width=1.0", "--set", "space.activation=silu"),
            *("--set", "space.batch_size=256", "--set", "space.learning_rate=1e-3"),
            *("--set", "space.weight_decay=1e-2"),
        ),
    ),
    "attention-today": (1, 50, WAVES),
    "attention-100": (1, 100, WAVES),
    "rnn": (
        *(2, 8),
        (
            *(*SEQUENCES, "--set", "space.hidden=[64,128]", "--set", "space.highways=[3,9]"),
            *("--set", "space.learning_rate={low=7e-4,high=4e-3,log=true}"),
        ),
    ),
    "lightgbm": (
        *(3, None),
        (
            *("--set", "space.learning_rate={low=0.05,high=0.15,log=true}"),
            *("--set", "space.num_leaves={low=63,high=255,log=true}"),
        ),
    ),
    "xgboost": (
        *(2, None),
        (
            *("--set", "space.learning_rate={low=0.1,high=0.3,log=true}"),
            *("--set", "space.grow_policy=lossguide", "--set", "space.max_leaves=[63,127]"),
            *("--set", "space.max_bin=128"),
        ),
    ),
    "random_forest": (2, None, ("--set", "space.n_estimators=50", "--set", "space.max_depth=25")),
}
"""Study, called by its family -> trials, epochs and settings: a night of two cores."""


def search(name: str, smoke: bool) -> None:
    """Search one family on fold 0, by its validation part."""
    trials, most, settings = SEARCHES[name]
    if smoke:
        trials, most = 2, most and 2
    words = ["--name", name, "--data", "mp_e_form", "--split", "column:fold0", "--or-resume"]
    words += ["--preset", "full", "--trials", str(trials), "--seed", "1", "--set", "keep=1"]
    words += ["--sampler", "auto"]  # the study of that name may have another one
    if most:
        words += ["--max-epochs", str(most), "--set", f"space.epochs={most}"]
    start(name.partition("-")[0], *words, *settings)


def measure(file: Path, studies: list[str], retrain: bool, smoke: bool) -> list[dict[str, object]]:
    """The lines of the ranking over the three folds, and seconds of each step."""
    if not Path("fesearch.db").exists():
        imported(file)
    began = time.perf_counter()
    for name in studies:
        search(name, smoke)
    print(f"searched: {time.perf_counter() - began:.0f} s", flush=True)

    print(run("holdout", *studies, "--best-per-family", "--over", FOLDS), flush=True)
    print(run("holdout", *studies, "--ensemble", "8", "--over", FOLDS), flush=True)
    if retrain:
        words = (*studies, "--ensemble", "8", "--retrain", "--over", FOLDS)
        print(run("holdout", *words), flush=True)
    print(run("holdout", *studies, "--ensemble", "8"), flush=True)
    print(f"all: {time.perf_counter() - began:.0f} s", flush=True)
    print(run("rank", "--beside", "mp_e_form_folds"), flush=True)
    run("report", *studies, "--beside", "mp_e_form_folds", "--to", "report.html")
    return [line for line in json.loads(run("rank", "--format", "json")) if line["repeated"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="mp_e_form_folds.csv.gz")
    parser.add_argument("--studies", default=",".join(SEARCHES), help="some of them, with commas")
    parser.add_argument("--folder", type=Path, help="to work in and leave all there")
    parser.add_argument("--retrain", action="store_true", help="on training + validation too")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    file, studies = given.file.resolve(), given.studies.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(given.folder or scratch)
        if given.smoke:
            file = thinned(file, Path("thinned.csv.gz").resolve())
        lines = measure(file, studies, given.retrain, given.smoke)
    if not given.smoke:
        write("folds" if len(studies) == len(SEARCHES) else "folds-of-some", lines)


if __name__ == "__main__":
    main()
