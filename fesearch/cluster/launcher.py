"""A cluster file for Ray's launcher (``ray up``), of machines that are reached by SSH."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fesearch.errors import InputError, quoted
from fesearch.paths import checked_name


@dataclass(frozen=True)
class Machines:
    """Machines that are there, a head and workers; all see one folder of files.

    Attributes:
        name: of the cluster.
        head, workers: host names or addresses.
        user: who logs in by SSH; key: file of the private key, None for SSH's own choice.
        setup: shell commands that make ``ray`` and ``fesearch`` known, such as activating a venv.
        token: file of the token on every machine; Ray lets nobody in without it.
    """

    name: str
    head: str
    workers: Sequence[str]
    user: str
    key: str | None = None
    setup: Sequence[str] = ()
    token: str = "~/.ray/auth_token"  # noqa: S105  the name of a file


def text(machines: Machines) -> str:
    """The file, as YAML; every text in it is quoted.

    Raises:
        InputError: a host is none, or is named twice.
    """
    hosts = [machines.head, *machines.workers]
    for host in hosts:
        if not host or not host.isprintable() or any(mark in host for mark in " \t/@'\""):
            raise InputError(f"{quoted(host)} is no host.", "Give a host's name or address.")
    if len(set(hosts)) < len(hosts):
        raise InputError("A host is named twice.", "Give each as --head or --worker once.")
    checked_name("cluster", machines.name)
    lines = [
        f"# Machines for fesearch; written by fesearch cluster ray. On the head, once: "
        f"ray get-auth-token --generate, and copy {machines.token} to every machine.",
        "# Then: ray up FILE, and on the head: "
        f"RAY_AUTH_MODE=token fesearch study start … --address {machines.head}:6379",
    ]
    lines += [f"{key}: {json.dumps(value)}" for key, value in settings(machines).items()]
    return "\n".join(lines) + "\n"


def settings(machines: Machines) -> Mapping[str, Any]:
    """What the file says; JSON's values are YAML's too."""
    auth = {"ssh_user": machines.user}
    if machines.key is not None:
        auth["ssh_private_key"] = machines.key
    token = f"export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={_home(machines.token)}"
    first = [*machines.setup, token]
    joined = " && ".join(first)
    return {
        "cluster_name": machines.name,
        "provider": {
            "type": "local",
            "head_ip": machines.head,
            "worker_ips": list(machines.workers),
        },
        "auth": auth,
        "max_workers": len(machines.workers),
        "head_start_ray_commands": [
            f"{joined} && ray stop",
            f"{joined} && ray start --head --port=6379 --disable-usage-stats "
            "--include-dashboard=false --autoscaling-config=~/ray_bootstrap_config.yaml",
        ],
        "worker_start_ray_commands": [
            f"{joined} && ray stop",
            f"{joined} && ray start --address=$RAY_HEAD_IP:6379 --disable-usage-stats",
        ],
    }


def _home(path: str) -> str:
    """A path for the shell, in which a leading ~ still means the home folder."""
    if path.startswith("~/"):
        return "~/" + shlex.quote(path[2:])
    return shlex.quote(path)
