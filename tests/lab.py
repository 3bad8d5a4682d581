"""The installed ``fesearch`` command in a folder of its own, and a look at what it leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

FESEARCH, RAY, SHELLCHECK = (
    str(Path(sys.executable).with_name(name)) for name in ("fesearch", "ray", "shellcheck")
)
"""Programs of this environment, which need not be the one of the shell."""
METALS = ("Al", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Zr", "Nb", "Mo", "Sn", "Mg")
PATIENCE = 240.0  # seconds until a test gives up waiting, on a machine that others load


def write_data(path: Path) -> None:
    """A CSV file of 210 alloys; the target is a simple function of the composition."""
    lines = ["formula,e_form"]
    for (i, a), (j, b) in combinations(enumerate(METALS), 2):
        lines += [f"{a}{b},{0.05 * i - 0.03 * j:.4f}", f"{a}2{b}3,{0.04 * i - 0.04 * j + 0.1:.4f}"]
    path.write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Lab:
    """A folder with a store, artifacts and a cache, in which commands are typed.

    Every process that a command starts inherits ``environment``, so that what is left of them
    can be found among all that run here.
    """

    folder: Path
    environment: dict[str, str] = field(repr=False)
    begun: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @classmethod
    def at(cls, folder: Path, cache: Path, ray: Path) -> "Lab":
        """A lab in a folder; ``ray`` is short, since sockets lie there."""
        added = {
            "FESEARCH_STORAGE": f"sqlite:///{folder}/fesearch.db",
            "FESEARCH_ARTIFACTS": str(folder / "artifacts"),
            "FESEARCH_CACHE_DIR": str(cache),
            "RAY_TMPDIR": str(ray),
            "RAY_ADDRESS": "127.0.0.1:1",  # no business of a study that names no --address
        }
        return cls(folder, {**os.environ, **added})

    @property
    def url(self) -> str:
        """Of the store."""
        return self.environment["FESEARCH_STORAGE"]

    def begin(
        self, *words: str, program: str = FESEARCH, to: str = ""
    ) -> "subprocess.Popen[bytes]":
        """Start a command as the leader of a process group, as a terminal does.

        Its output goes to the files ``out`` and ``err``, with ``to`` before their names.
        """
        out, err = (self.folder / f"{to}{name}" for name in ("out", "err"))
        with out.open("w") as written, err.open("w") as said:
            process = subprocess.Popen(
                [program, *words],
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=said,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
            )
        self.begun.append(process)
        return process

    def run(self, *words: str, code: int = 0) -> str:
        """Do a command and return what it printed on stdout; its exit code must be ``code``."""
        assert self.begin(*words).wait(PATIENCE) == code, self.err
        return self.out

    def json(self, *words: str) -> Any:
        """What a command prints as JSON, on stdout and alone."""
        return json.loads(self.run(*words, "--format", "json"))

    @property
    def out(self) -> str:
        """What the last command has printed on stdout so far."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What the last command has printed on stderr so far."""
        return (self.folder / "err").read_text()

    def processes(self) -> dict[int, str]:
        """Process id -> command line of all that runs with this lab's environment."""
        mark = f"FESEARCH_STORAGE={self.url}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = words.decode(errors="replace").strip()
        return found

    def files(self) -> set[str]:
        """Every file among the artifacts, by its path below them."""
        root = self.folder / "artifacts"
        return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}

    def close(self) -> None:
        """End what commands of this lab left running, and nothing else."""
        for process in self.begun:
            kill(process)
        for number in self.processes():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def sets(*keys: str) -> list[str]:
    """The words that set so many keys of a study."""
    return [word for key in keys for word in ("--set", key)]


@contextmanager
def furnished(folder: Path) -> Iterator[Lab]:
    """A lab with the data set ``alloys`` and its features."""
    write_data(folder / "alloys.csv")
    lab = Lab.at(folder, folder / "cache", folder)
    words = ["--name", "alloys", "--formula", "formula", "--target", "e_form", "--unit", "eV/atom"]
    lab.run("data", "import", "alloys.csv", *words)
    lab.run("features", "build", "alloys")
    yield lab
    lab.close()


@contextmanager
def beside(house: Lab, folder: Path) -> Iterator[Lab]:
    """A lab without studies, with the data of another one, whose features it shares."""
    shutil.copytree(house.folder / "artifacts" / "datasets", folder / "artifacts" / "datasets")
    ray = Path(tempfile.mkdtemp(prefix="ray-"))  # sockets lie there: a short path
    lab = Lab.at(folder, house.folder / "cache", ray)
    yield lab
    lab.close()
    shutil.rmtree(ray, ignore_errors=True)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command that still runs, as ``kill -9`` does."""
    process.kill()
    process.wait()


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds and return its value."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what}: not in {PATIENCE:.0f} s"
        time.sleep(0.05)
    return answer
