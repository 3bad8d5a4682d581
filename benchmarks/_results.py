"""Where the figures of all benchmarks go: one CSV file a day, device and benchmark."""

import csv
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "results"


def origin() -> tuple[str, str]:
    """The commit that runs, marked where anything but results differs from it, and the device."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(exclude).")
    commit = _git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")
    return commit, f"{os.cpu_count()} cores, {platform.machine()}"


def _git(*words: str) -> str:
    found = subprocess.run(["git", *words], cwd=FOLDER, capture_output=True, text=True, check=True)
    return found.stdout.strip()


def write(name: str, lines: Sequence[Mapping[str, Any]]) -> Path:
    """Lines of figures as ``results/<date>-<device>-<name>.csv``, each with device and commit."""
    commit, device = origin()
    path = FOLDER / f"{datetime.now(UTC).date().isoformat()}-{os.cpu_count()}cpu-{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["commit", "device", *lines[0]])
        writer.writeheader()
        for line in lines:
            writer.writerow({"commit": commit, "device": device, **line})
    print(f"written: {path.name}", file=sys.stderr)
    return path
