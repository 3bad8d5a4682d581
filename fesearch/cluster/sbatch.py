"""Options of sbatch as users write them, and which of them contradict what a script is made for."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from fesearch.errors import InputError, quoted

OURS: Mapping[str, str] = {
    "array": "",
    "cpus-per-gpu": "--cpus-per-node",
    "cpus-per-task": "--cpus-per-node",
    "gpus-per-socket": "--gpus-per-node",
    "no-kill": "",
    "no-requeue": "--chain",
    "nodes": "--nodes",
    "ntasks": "",
    "ntasks-per-gpu": "",
    "ntasks-per-node": "",
    "oversubscribe": "--cpus-per-node",
    "signal": "--margin",
    "time": "--time",
    "time-min": "--time",
    "tres-per-task": "--cpus-per-node",
}
"""What a script says itself or relies on, and the flag of ``cluster slurm`` for it, if any."""
_GPUS = ("gpus", "gpus-per-node", "gpus-per-task", "gres", "tres-per-node")
"""Ways to ask for GPUs, all of which may name a type, which no flag does."""
_SHORT = {"a": "array", "c": "cpus-per-task", "G": "gpus", "k": "no-kill", "N": "nodes"}
_SHORT |= {"n": "ntasks", "s": "oversubscribe", "t": "time"}
_ALONE = "bhHOQsuvV"
"""Letters of options that take no value: others may follow in the same word."""


def check(lines: Sequence[str], *, nodes: int, gpus: int, cpus: int | None, chain: int) -> None:
    """Refuse options that contradict a script: they come last in it, and sbatch takes the last.

    Args:
        lines: each of an option or more, as they are to stand behind ``#SBATCH``.
        nodes, gpus, cpus: of a job, and of each node; ``cpus`` is None for whole nodes.
        chain: jobs that are submitted beforehand.

    Raises:
        InputError: names the line, and the flag to use in its place.
    """
    for line in lines:
        for name, value in options(line):
            harmless = (
                (name == "no-requeue" and chain > 1)
                or (name == "oversubscribe" and cpus is not None)
                or (name == "no-kill" and value != "off")
            )
            if name in OURS and not harmless:
                flag = OURS[name]
                raise InputError(
                    f"sbatch is to get {quoted(line)}, but --{name} is the script's own to give.",
                    f"Give {flag} in its place; see fesearch cluster slurm --help."
                    if flag
                    else "Leave it out: one job has a study, and each of its nodes one Ray.",
                )
            asked, there = gpus_asked(name, value), gpus * (nodes if name == "gpus" else 1)
            if asked not in (None, there):
                whose = "a job" if name == "gpus" else "a node"
                raise InputError(
                    f"sbatch is to get {quoted(line)}, which is {asked} GPUs for {whose}; by "
                    f"--gpus-per-node it has {there}.",
                    "Give --gpus-per-node as many as a node is to have; for a type add, say, "
                    "--sbatch=--gres=gpu:a100:4",
                )


def options(line: str) -> Iterator[tuple[str, str]]:
    """The long names and the values of the options in a line.

    As sbatch does, this takes ``--time=9``, ``--time 9``, the beginning of a name, ``-t9``,
    ``-t 9``, several letters in a word, and several options in a line up to a ``#``.

    Raises:
        InputError: it is no option, or a quote in it has no end.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = []
    if not words or not words[0].startswith("-") or not line.isprintable():
        raise InputError(
            f"--sbatch got {quoted(line)}.",
            "Give one option of sbatch, as in --sbatch=--partition=gpu",
        )
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
            yield _whole(name), value if given else following
        elif word.startswith("-"):
            for place, letter in enumerate(word[1:], 2):
                yield _SHORT.get(letter, letter), word[place:].removeprefix("=") or following
                if letter not in _ALONE:
                    break


def gpus_asked(name: str, value: str) -> int | None:
    """The GPUs that an option asks for; None where it asks for none."""
    if name not in _GPUS:
        return None
    asked = [part.removeprefix("gres/") for part in value.split(",")]
    if name in ("gres", "tres-per-node"):
        asked = [part for part in asked if re.split("[:=]", part)[0] == "gpu"]
        if not asked:
            return None
    counts = [re.split("[:=]", part)[-1] for part in asked]
    return sum(int(count) if count.isdecimal() else 1 for count in counts)


def _whole(name: str) -> str:
    """The name of which this is the beginning, where it is one that matters here."""
    known = (*OURS, *_GPUS)
    return name if name in known else next((one for one in known if one.startswith(name)), name)
