"""A family trained in another process, with other hashes of text there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from fesearch.contract.data import data_for
from fesearch.errors import first_line
from fesearch.family import FAMILIES, Family
from fesearch.own import Source, mentioned, run
from fesearch.space import Config

STEPS = 2
_PROGRAM = "from fesearch.contract.elsewhere import answer; answer()"


def sums(family: Family, config: Config) -> list[float]:
    """The sum of all predictions after each of the first steps."""
    learner = family.build(config, data_for(family), seed=1, threads=1, device="cpu")
    return [float(learner.advance().sum()) for _ in range(STEPS)]


def trained_elsewhere(families: Iterable[tuple[Family, Config]]) -> dict[str, list[float] | str]:
    """What ``sums`` is in one other process, or the error there; by name of the family."""
    configs = {family.name: dict(config) for family, config in families}
    own = [(str(source.path), source.text) for source in mentioned(*configs)]
    there = subprocess.run(  # noqa: S603  this very Python
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps({"own": own, "configs": configs}),
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
    )
    if there.returncode:
        *_, last = there.stderr.strip().splitlines() or ["no message"]
        return dict.fromkeys(configs, last)
    found: dict[str, list[float] | str] = json.loads(there.stdout.splitlines()[-1])
    return found


def answer() -> None:
    """Be the other process: a question on stdin, the answer on the last line of stdout."""
    asked = json.load(sys.stdin)
    for path, text in asked["own"]:
        run(Source(Path(path), text))
    found: dict[str, list[float] | str] = {}
    for name, config in asked["configs"].items():
        try:
            found[name] = sums(FAMILIES.get(name), config)
        except (Exception, SystemExit) as error:  # noqa: BLE001  others' answers must not be lost
            found[name] = first_line(error)
    sys.stdout.write(f"{json.dumps(found)}\n")
