"""Nodes of a cluster: whether each sees the folder in which a study leaves its files."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fesearch import hardware
from fesearch.errors import InputError

_SECONDS = 120.0  # for all nodes to look; each starts a process for it


@dataclass(frozen=True)
class Node:
    """A node of a cluster.

    Attributes:
        cpus, gpus: that Ray has there.
        memory: bytes of main memory, used or not.
        gpu_memory: bytes of its smallest GPU; None where none is known of.
    """

    name: str
    cpus: int
    gpus: int
    memory: int
    gpu_memory: int | None


def check(folder: Path) -> list[Node]:
    """Have each node of the Ray that runs read a file of the folder and write another.

    Args:
        folder: made if it is not there; left as it was.

    Returns:
        the nodes.

    Raises:
        InputError: names a node that does not see the folder, or cannot write to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    asked = folder / f"seen-{token}"
    asked.write_text(token)
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]
        return [
            Node(
                node["NodeName"],
                int(node["Resources"].get("CPU", 0)),
                int(node["Resources"].get("GPU", 0)),
                *_ask(node["NodeID"], node["NodeName"], asked, token),
            )
            for node in alive
        ]
    finally:
        for path in folder.glob(f"seen-{token}*"):
            path.unlink(missing_ok=True)


def _ask(node: str, name: str, asked: Path, token: str) -> tuple[int, int | None]:
    """Bytes of memory of a node that sees the folder, and of its smallest GPU."""
    there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    answered = asked.with_name(f"{asked.name}-{node}")
    look = ray.remote(num_cpus=0, scheduling_strategy=there)(_look)
    memory, gpu_memory = 0, None
    try:
        reason, memory, gpu_memory = ray.get(look.remote(asked, answered), timeout=_SECONDS)
    except ray.exceptions.GetTimeoutError:
        reason = f"no answer in {_SECONDS:.0f} s"
    if reason is None and (not answered.is_file() or answered.read_text() != token):
        reason = "what it wrote there is not here"
    if reason is not None:
        raise InputError(
            f"The node {name} of the cluster does not share '{asked.parent}': {reason}.",
            "Set FESEARCH_ARTIFACTS to a folder on storage that all nodes see.",
        )
    return memory, gpu_memory


def _look(asked: Path, answered: Path) -> tuple[str | None, int, int | None]:
    """Copy a file on the node that runs this: why that did not go, if so, and its memory."""
    memory = hardware.memory().total, hardware.gpu_memory()
    try:
        answered.write_text(asked.read_text())
    except OSError as error:
        return str(error.strerror), *memory
    return None, *memory
