"""Ray, started in this process or joined, quietly, and left as it was found."""

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import worker

from fesearch.errors import InputError

_SECONDS_TO_ANSWER = 10.0
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def session(
    cpus: int | None = None, gpus: int = 0, address: str | None = None, niceness: int = 15
) -> Iterator[int]:
    """Ray, started here or joined; yields the CPU cores it has and leaves nothing behind.

    Args:
        cpus, gpus: of a Ray started here; None takes all CPU cores.
        niceness: of the workers of a Ray started here; 15, which is Ray's own, gives way to all
            other work.
        address: of a running Ray cluster, as ``ray.init`` takes it; None starts Ray here.

    Raises:
        InputError: there is no cluster at the address.
    """
    os.environ.update(_ENVIRONMENT)
    # What goes wrong on a worker is a reason in a result: no tracebacks amid the progress.
    quiet = {"log_to_driver": False, "logging_level": "CRITICAL"}
    with _sigterm_left_alone(), _without_messages():
        if address is None:
            context = ray.init(
                address="local",  # whatever cluster runs here or RAY_ADDRESS names
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                _system_config={"worker_niceness": niceness},
                **quiet,
            )
        else:
            context = _join(address, **quiet)
    failed = False
    try:
        yield cores()
    except Exception:
        failed = True  # Ray's logs stay for who looks for the cause
        raise
    finally:
        ray.shutdown()
        if address is None and not failed:
            shutil.rmtree(context.address_info["session_dir"], ignore_errors=True)


def cores() -> int:
    """CPU cores of the Ray that runs; at least one."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _sigterm_left_alone() -> Iterator[None]:
    """Ray takes SIGTERM for itself, to exit at once; here it stops what runs in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _without_messages() -> Iterator[None]:
    """Ray prints on stdout, where results go, that a worker died; it has no switch for it."""
    before = worker.listen_error_messages
    worker.listen_error_messages = lambda *listener: None
    try:
        yield
    finally:
        worker.listen_error_messages = before


def _join(address: str, **options: Any) -> Any:
    hint = "Start one with ray start --head, or leave --address out."
    try:
        _knock(address)
        hint = f"If it wants a token, type RAY_AUTH_MODE=token before the command. {hint}"
        return ray.init(address=address, **options)
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(f"There is no Ray cluster at '{address}': {first}.", hint) from None


def _knock(address: str) -> None:
    """Whether anybody listens at HOST:PORT; Ray would try for minutes.

    Raises:
        OSError: nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
