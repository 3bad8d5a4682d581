"""A batch script that runs a study on the nodes of a SLURM job, one job after the other."""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fesearch.cluster import sbatch
from fesearch.errors import InputError, quoted
from fesearch.paths import checked_name

BODY = Path(__file__).with_name("slurm.sh")
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")
_IN_PREAMBLE = re.compile(r"^#SBATCH\s+(\S.*)$", re.MULTILINE)
_LEAST_MARGIN = 120  # seconds: a minute of it is kept for what comes after the driver
_LARGEST_MARGIN = 65_535  # sbatch --signal
_DISK_LETTERS = 40  # of the node's disk: beneath it lie sockets, of whose paths 107 are allowed


_NOT_SET = "is not set: set it in the shell that submits, and let sbatch hand it on"


@dataclass(frozen=True)
class Job:
    """What a job asks SLURM for, and what it runs there.

    Attributes:
        name: of the study.
        start: the words that start it, without those that say where it runs.
        folder: in which they are typed; every node sees it.
        nodes, gpus: nodes, and GPUs of each.
        time: wall-clock limit, as ``sbatch --time`` takes it.
        cpus: cores of each node; None takes whole nodes.
        margin: seconds before the limit at which the study is stopped, to go on in a new job.
        chain: jobs that are submitted at once, each after the one before; 1 puts the one job back
            into the queue as often as the study needs.
        sbatch: further options, one a line, as "--partition=gpu"; see ``sbatch.check``.
        preamble: shell commands before all others, such as "module load".
        disk: folder on a disk of the node, for Ray's own files; short.
        environment: what is set for every process of the job.
        needs: what must be set in the shell that submits, and come along with the job.
        afterwards: flags among those of ``start`` that say what is to be there in the end.
        programs: folder of the programs fesearch, ray and python.
    """

    name: str
    start: Sequence[str]
    folder: Path
    nodes: int
    time: str
    programs: Path
    gpus: int = 0
    cpus: int | None = None
    margin: int = 300
    chain: int = 1
    sbatch: Sequence[str] = ()
    preamble: str = ""
    disk: str = "/tmp"  # noqa: S108  each job makes a folder of its own, for its user alone
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    afterwards: Sequence[str] = ()


def script(job: Job) -> str:
    """The batch script of a job.

    Raises:
        InputError: the job asks for what no script can say; names it and what to type.
    """
    _check(job)
    settings = {
        "name": job.name,
        "gpus": str(job.gpus),
        "jobs": str(job.chain),
        "enough": str(seconds(job.time) // 2),  # seconds in which a trial was to come further
        "margin": str(job.margin),
        "disk": job.disk,
    }
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in _options(job)),
        "",
        f"# The study {job.name}; written by fesearch cluster slurm. Submit it with: "
        f"{'bash' if job.chain > 1 else 'sbatch'} FILE",
    ]
    if job.preamble:
        lines += ["", "# ---- preamble", job.preamble.rstrip("\n"), "# ---- end of preamble", ""]
    lines += [  # last, so that no preamble changes them
        f"cd -- {shlex.quote(str(job.folder))} || exit",
        f"export PATH={shlex.quote(str(job.programs))}:$PATH",
        *(f"export {key}={shlex.quote(value)}" for key, value in job.environment.items()),
        *(f'export {key}="${{{key}:?{_NOT_SET}}}"' for key in job.needs),
        *(f"{key}={shlex.quote(value)}" for key, value in settings.items()),
        f"start=({shlex.join(job.start)})",
        f"afterwards=({shlex.join(job.afterwards)})",
    ]
    return "\n".join(lines) + "\n" + BODY.read_text(encoding="utf-8")


def seconds(time: str) -> int:
    """Seconds of a wall-clock limit, in any of the forms of ``sbatch --time``.

    Raises:
        InputError: it is of none of them.
    """
    found = _TIME.fullmatch(time)
    if found is None:
        raise InputError(
            f"--time got {quoted(time)}.", "Write it as sbatch takes it: --time 08:00:00 or 2-12."
        )
    numbers = [int(part) for part in found["parts"].split(":")]
    if found["days"] is None:  # minutes, minutes:seconds, hours:minutes:seconds
        scales = {1: (60,), 2: (60, 1), 3: (3600, 60, 1)}[len(numbers)]
    else:  # days-hours, days-hours:minutes, days-hours:minutes:seconds
        scales = (3600, 60, 1)[: len(numbers)]
    total = sum(number * scale for number, scale in zip(numbers, scales, strict=True))
    return 86400 * int(found["days"] or 0) + total


def _options(job: Job) -> list[str]:
    """The options of sbatch; the user's own come last and win."""
    own = [line.strip() for line in job.sbatch]
    asked = (sbatch.gpus_asked(*one) for line in _theirs(job) for one in sbatch.options(line))
    options = [
        f"--job-name=fesearch-{job.name}",
        f"--nodes={job.nodes}",
        "--ntasks-per-node=1",
        f"--time={job.time}",
        f"--signal=B:USR1@{job.margin}",
        "--requeue",
        "--no-kill",
        "--open-mode=append",
        f"--output=fesearch-{job.name}-%j.log",
    ]
    options += ["--exclusive", "--mem=0"] if job.cpus is None else [f"--cpus-per-task={job.cpus}"]
    if job.gpus and not any(asked):
        options.append(f"--gpus-per-node={job.gpus}")
    return [*options, *own]


def _theirs(job: Job) -> list[str]:
    """Options of the user's own: a preamble may have some, where sbatch reads them."""
    return [*job.sbatch, *_IN_PREAMBLE.findall(job.preamble)]


def _check(job: Job) -> None:
    checked_name("study", job.name)
    sbatch.check(_theirs(job), nodes=job.nodes, gpus=job.gpus, cpus=job.cpus, chain=job.chain)
    limit = seconds(job.time)
    if job.margin < _LEAST_MARGIN or limit < 2 * job.margin:
        raise InputError(
            f"A job of {job.time} is {limit} s, of which the last {job.margin} s are for "
            "checkpoints.",
            f"Give a --time of {2 * max(job.margin, _LEAST_MARGIN)} s or more, or another "
            f"--margin, of {_LEAST_MARGIN} s or more.",
        )
    if job.margin > _LARGEST_MARGIN:
        raise InputError(
            f"The margin is {job.margin} s, and sbatch takes {_LARGEST_MARGIN} s at most.",
            "Give a shorter --margin, such as 1h.",
        )
    if not job.disk.startswith("/") or len(job.disk) > _DISK_LETTERS or "\n" in job.disk:
        raise InputError(
            f"--disk got {quoted(job.disk)}.",
            f"Give a folder on a disk of the nodes, in up to {_DISK_LETTERS} letters: Ray's "
            "sockets lie there, whose paths are short.",
        )
    for word in (*job.start, str(job.folder), str(job.programs), *job.environment.values()):
        if "\0" in word:
            raise InputError(f"{quoted(word)} has a zero byte.", "Leave it out.")
    if ":" in str(job.programs):
        raise InputError(
            f"The folder of the programs, '{job.programs}', has a colon, so it cannot be in PATH.",
            "Install fesearch elsewhere.",
        )
    _check_preamble(job.preamble)


def _check_preamble(text: str) -> None:
    """Refuse commands that bash cannot read: the job would end at once, hours from now."""
    try:
        done = subprocess.run(
            ["/bin/bash", "-n"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C"},
        )
    except OSError:  # no bash here
        return
    # A here-document that nothing ends is a warning, and would swallow the script behind it.
    if done.returncode or "here-document" in done.stderr:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise InputError(f"The preamble is no bash: {said}.", "Mend that line.")
