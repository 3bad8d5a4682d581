"""Import of a million rows: seconds and peak memory, from CSV and from Parquet.

    python benchmarks/intake.py --file ../shared/data/oqmd_bandgap.csv.gz

repeats the rows of the file with distinct fractions (Fe2O3, Fe2O3.01, Fe2O3.02 …) until there are
a million, writes them as CSV and as Parquet, and imports, saves and loads each in a process of its
own. A line with device and commit goes to benchmarks/results/. Processor seconds are given too,
because the machine may have other work. Without ``--file`` the formulas are those of the data set
that comes with the package; ``--smoke`` takes few and writes nothing.
"""

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from _results import write

from fesearch import library

HEADER = ("id", "formula", "target", "part")

CHILD = """
import json, resource, sys, time
from fesearch import intake, library
from fesearch.intake import Wanted

def peak():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # KiB on Linux

began, used = time.perf_counter(), time.process_time()
if sys.argv[1] == "load":
    data = library.load(sys.argv[2])
else:
    wanted = Wanted({"target": "eV"}, formula="formula", id="id", columns=("part",))
    data = intake.read(sys.argv[1], sys.argv[2], wanted)
    library.save(data)
seconds, cpu = time.perf_counter() - began, time.process_time() - used
print(json.dumps([len(data), round(seconds, 1), round(cpu, 1), peak()]))
"""


def source(file: Path | None) -> list[tuple[str, str]]:
    """Formulas and targets, as texts."""
    if file is None:
        data = library.load("miedema")
        values = next(iter(data.targets.values())).tolist()
        return list(zip(data.formulas, map(repr, values), strict=True))
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8", newline="") as lines:
        return [(row["formula"], row["target"]) for row in csv.DictReader(lines)]


def repeated(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """Rows without end; every round has other fractions, so that formulas differ."""
    number = count(1)
    for times in count():
        for formula, target in pairs:
            fraction = f".{times:02}" if formula[-1].isdigit() else f"1.{times:02}"
            place = next(number)
            part = "test" if place % 10 == 0 else "train"
            yield f"row-{place}", formula + fraction if times else formula, target, part


def write_files(pairs: list[tuple[str, str]], rows: int, folder: Path) -> list[Path]:
    """The same rows as CSV and as Parquet."""
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    plain, packed = folder / "rows.csv", folder / "rows.parquet"
    with plain.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(islice(repeated(pairs), rows))
    pq.write_table(pc.read_csv(plain), packed)
    return [plain, packed]


def run(what: str, name: str, folder: Path) -> dict[str, float]:
    """Seconds, processor seconds and peak memory in MiB of a process that imports or loads."""
    environment = {**os.environ, "FESEARCH_ARTIFACTS": str(folder / "kept")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, what, name],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    _, *found = json.loads(done.stdout)
    kind = "load" if what == "load" else name
    keys = (f"{kind}_seconds", f"{kind}_cpu_seconds", f"{kind}_peak_mib")
    return dict(zip(keys, found, strict=True))


def measure(file: Path | None, rows: int) -> dict[str, Any]:
    """All figures."""
    figures: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in write_files(source(file), rows, folder):
            kind = path.suffix[1:]
            figures |= run(str(path), kind, folder)
        figures |= run("load", "csv", folder)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, help="CSV with columns 'formula' and 'target'")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    figures = measure(given.file, 2000 if given.smoke else given.rows)
    for name, value in figures.items():
        print(f"{name:20} {value}")
    if not given.smoke:
        write("intake", [figures])


if __name__ == "__main__":
    main()
