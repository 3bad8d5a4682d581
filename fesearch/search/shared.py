"""Whether every node of a cluster sees the folder in which a study leaves its files."""

import secrets
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fesearch.errors import InputError

_SECONDS = 120.0  # for all nodes to look; each starts a process for it


def check(folder: Path) -> None:
    """Have each node of the Ray that runs read a file of the folder and write another.

    Args:
        folder: made if it is not there; left as it was.

    Raises:
        InputError: names a node that does not see the folder, or cannot write to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    asked = folder / f"seen-{token}"
    asked.write_text(token)
    try:
        for node in ray.nodes():
            if node["Alive"]:
                _ask(node["NodeID"], node["NodeName"], asked, token)
    finally:
        for path in folder.glob(f"seen-{token}*"):
            path.unlink(missing_ok=True)


def _ask(node: str, name: str, asked: Path, token: str) -> None:
    there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    answered = asked.with_name(f"{asked.name}-{node}")
    look = ray.remote(num_cpus=0, scheduling_strategy=there)(_look)
    try:
        reason = ray.get(look.remote(asked, answered), timeout=_SECONDS)
    except ray.exceptions.GetTimeoutError:
        reason = f"no answer in {_SECONDS:.0f} s"
    if reason is None and (not answered.is_file() or answered.read_text() != token):
        reason = "what it wrote there is not here"
    if reason is not None:
        raise InputError(
            f"The node {name} of the cluster does not share '{asked.parent}': {reason}.",
            "Set FESEARCH_ARTIFACTS to a folder on storage that all nodes see.",
        )


def _look(asked: Path, answered: Path) -> str | None:
    """Copy a file on the node that runs this; why that did not go, else None."""
    try:
        answered.write_text(asked.read_text())
    except OSError as error:
        return str(error.strerror)
    return None
