"""Ray, started in this process or joined, quietly, and left as it was found."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray._common.utils import get_default_ray_temp_dir
from ray._private import services, utils, worker

from fesearch.errors import FesearchError, InputError, first_line

_SECONDS_TO_ANSWER = 10.0
_SECONDS_TO_END = 30.0
_BYTES_OF_A_LOG = 20_000
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def session(
    cpus: int | None = None,
    gpus: int = 0,
    address: str | None = None,
    niceness: int = 15,
    log: Path | None = None,
) -> Iterator[int]:
    """Ray, started here or joined; yields the CPU cores it has and leaves nothing behind.

    Whatever ends the session, no process and no file of a Ray started here stays. A session within
    another one of this process has the Ray of that one, with the resources that has.

    Args:
        cpus, gpus: of a Ray started here; None takes all CPU cores.
        niceness: of the workers of a Ray started here; 15, which is Ray's own, gives way to all
            other work.
        address: of a running Ray cluster, as ``ray.init`` takes it; None starts Ray here.
        log: file for the ends of the logs of a Ray started here, if the session fails.

    Raises:
        InputError: there is no cluster at the address.
        FesearchError: Ray does not start here; its logs stay, for they say why.
    """
    if ray.is_initialized():
        yield cores()
        return
    os.environ.update(_ENVIRONMENT)
    # What goes wrong on a worker is a reason in a result: no tracebacks amid the progress.
    quiet = {"log_to_driver": False, "logging_level": "CRITICAL"}
    with _interrupt_held_back() as deliver, _sigterm_left_alone(), _without_messages():
        if address is None:
            with _in_groups_of_their_own(), _start_explained():
                context = ray.init(
                    address="local",  # whatever cluster runs here or RAY_ADDRESS names
                    num_cpus=cpus,
                    num_gpus=gpus,
                    include_dashboard=False,
                    _system_config={
                        "worker_niceness": niceness,
                        "prestart_worker_first_driver": False,  # which no actor could use
                    },
                    **quiet,
                )
        else:
            context = _join(address, **quiet)
    folder = Path(context.address_info["session_dir"]) if address is None else None
    try:
        deliver()
        yield cores()
    except Exception:
        if folder is not None and log is not None:
            with suppress(OSError):  # the disk may be what failed
                _keep_ends(folder / "logs", log)
        raise
    finally:
        with _interrupt_held_back() as deliver:
            _shut_down()
            if folder is not None:
                _remove(folder)
        deliver()


def _shut_down() -> None:
    """End Ray, and wait for its processes to be gone: on a busy machine Ray itself does not."""
    node = worker._global_node
    started = node.all_processes.values() if node is not None else ()
    processes = [one.process for several in started for one in several]
    ray.shutdown()
    deadline = time.monotonic() + _SECONDS_TO_END
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))


def _keep_ends(logs: Path, to: Path) -> None:
    """Write the ends of all logs that say anything into one file."""
    with to.open("w", encoding="utf-8") as file:
        for path in sorted(logs.glob("*")):
            if path.is_file() and path.stat().st_size:
                end = path.read_bytes()[-_BYTES_OF_A_LOG:].decode(errors="replace")
                file.write(f"==> {path.name} <==\n{end}\n")


def _remove(folder: Path) -> None:
    """Remove a session's folder, and the link by which Ray says that it is the latest."""
    shutil.rmtree(folder, ignore_errors=True)
    latest = folder.parent / "session_latest"
    if latest.is_symlink() and latest.readlink().name == folder.name:
        latest.unlink(missing_ok=True)


def cores() -> int:
    """CPU cores of the Ray that runs; at least one."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def gpus() -> int:
    """GPUs of the Ray that runs."""
    return int(ray.cluster_resources().get("GPU", 0))


def nodes() -> int:
    """Nodes of the Ray that runs."""
    return sum(bool(node["Alive"]) for node in ray.nodes())


@contextmanager
def _sigterm_left_alone() -> Iterator[None]:
    """Ray takes SIGTERM for itself, to exit at once; here it stops what runs in good order."""
    before = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = before


@contextmanager
def _interrupt_held_back() -> Iterator[Callable[[], None]]:
    """Ctrl-C, SIGTERM and SIGHUP wait while Ray starts or ends.

    What is half started, or half ended, leaves its files behind. Yields what does then as was
    asked.
    """
    asked: list[tuple[int, FrameType | None]] = []

    def deliver() -> None:
        for number, frame in asked:
            handler = signal.getsignal(number)  # the first call may have changed it
            if callable(handler):
                handler(number, frame)
            elif handler is signal.SIG_DFL:  # which would leave the files behind
                signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield deliver
        return
    before = {
        one: signal.signal(one, lambda *call: asked.append(call))
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if one != signal.SIGHUP or signal.getsignal(one) is not signal.SIG_IGN  # as by nohup
    }
    try:
        yield deliver
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _without_messages() -> Iterator[None]:
    """Ray prints on stdout, where results go, that a worker died; it has no switch for it."""
    before = worker.listen_error_messages
    worker.listen_error_messages = lambda *listener: None
    try:
        yield
    finally:
        worker.listen_error_messages = before


@contextmanager
def _in_groups_of_their_own() -> Iterator[None]:
    """Ray's processes start in process groups of their own.

    What a terminal or a batch system sends to all of ours then reaches this process alone, which
    stops trials in good order. Without Ray it could not: Ray ends a process that has lost it.
    Where the kernel does not end Ray's processes with this one, Ray needs them in one group.
    """
    before = services.ConsolePopen
    if not utils.detect_fate_sharing_support():
        yield
        return
    services.ConsolePopen = partial(before, process_group=0)
    try:
        yield
    finally:
        services.ConsolePopen = before


@contextmanager
def _start_explained() -> Iterator[None]:
    """Ray gives its own processes thirty seconds to start, which a busy machine may not have."""
    try:
        yield
    except Exception as error:
        said = first_line(error).rstrip(".")
        raise FesearchError(
            f"Ray does not start: {said}.",
            f"Its logs are in {get_default_ray_temp_dir()}. If the machine is busy try again, or "
            "search without Ray, one trial at a time: --set runner=inline",
        ) from error


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
