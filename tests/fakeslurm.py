"""SLURM on one machine: stub programs that really run a job's script and its nodes.

The stubs note what they were called with; ``Slurm`` runs a script as sbatch's job would be run,
and sends it the signal that its limit is near.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

SRUN = r"""#!/bin/bash
# Runs its command once for each node, here, and ends when all have.
tasks=1 environment=()
if [[ ${SLURM_EXPORT_ENV:-} == NONE ]]; then environment=(env -i "PATH=$PATH"); fi
while [[ $1 == --* ]]; do
  case $1 in --ntasks=*) tasks=${1#*=} ;; --export=ALL) environment=() ;; esac
  shift
done
pids=()
trap 'kill -TERM "${pids[@]}" 2>/dev/null' TERM
for ((node = 0; node < tasks; node++)); do
  SLURM_NODEID=$node "${environment[@]}" "$@" &
  pids+=($!)
  echo $! > "$STUBS/node-$node"
done
for pid in "${pids[@]}"; do
  while kill -0 "$pid" 2>/dev/null; do wait "$pid"; done
done
"""
SBATCH = r"""#!/bin/bash
printf '%s\n' "$*" >> "$STUBS/sbatch.said"
echo "$(wc -l < "$STUBS/sbatch.said");cluster"
"""
SCONTROL = r"""#!/bin/bash
printf '%s\n' "$*" >> "$STUBS/scontrol.said"
exit "$(cat "$STUBS/requeue" 2>/dev/null || echo 0)"
"""


@dataclass(frozen=True)
class Slurm:
    """Stub programs in a folder, and jobs that are run with them.

    Attributes:
        folder: for the stubs and what they note.
        environment: of who submits.
        prefix: words before the command of a job, such as those of a network namespace.
    """

    folder: Path
    environment: dict[str, str]
    prefix: tuple[str, ...] = ()

    @classmethod
    def at(cls, folder: Path, environment: dict[str, str], prefix: tuple[str, ...] = ()) -> "Slurm":
        folder.mkdir()
        for name, text in (("srun", SRUN), ("sbatch", SBATCH), ("scontrol", SCONTROL)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        path = f"{folder}:{os.environ['PATH']}"
        return cls(folder, {**environment, "STUBS": str(folder), "PATH": path}, prefix)

    def submit(self, script: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Type ``bash SCRIPT``, outside of a job."""
        return subprocess.run(
            ["bash", str(script)], env=self.environment, cwd=cwd, capture_output=True, text=True
        )

    def job(
        self, script: Path, cwd: Path, *, number: int, nodes: int, words: tuple[str, ...] = ()
    ) -> "subprocess.Popen[bytes]":
        """Run a script as the job of a number; what it says is appended to ``job.log``.

        Args:
            words: given to the script.
        """
        there = {
            "SLURM_JOB_ID": str(number),
            "SLURM_JOB_NUM_NODES": str(nodes),
            "SLURM_CPUS_ON_NODE": "1",
        }
        with (self.folder / "job.log").open("a") as log:
            return subprocess.Popen(
                [*self.prefix, "bash", str(script), *words],
                env={**self.environment, **there},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self, program: str) -> list[str]:
        """What a stub was called with, a line each time."""
        file = self.folder / f"{program}.said"
        return file.read_text().splitlines() if file.is_file() else []

    @property
    def log(self) -> str:
        """What jobs have said."""
        return (self.folder / "job.log").read_text()

    def node(self, number: int) -> int:
        """The process of a node."""
        return int((self.folder / f"node-{number}").read_text())


def limit_is_near(job: "subprocess.Popen[bytes]") -> None:
    """Send what ``#SBATCH --signal=B:USR1@…`` asks for: to the script alone."""
    job.send_signal(signal.SIGUSR1)
