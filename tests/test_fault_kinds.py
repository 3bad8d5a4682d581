"""Faults by their kind: what exceptions and Ray say of them."""

import errno
import pickle

import numpy as np
import pytest
import torch

from fesearch.search.faults import Cause, TrialError, cause_of, is_full, of_actor, unwritable

DIED = """\
The actor died unexpectedly before finishing this task.
\tclass_name: ResourceTrainable
\tactor_id: 13ee0db8e25cf3e215a1af6901000000
\tpid: 4917
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit \
detail: Worker unexpectedly exits with a connection error code 2. End of file. Some common causes \
include: (1) the process was killed by the OOM killer due to high memory usage, (2) ..."""
NODE = "The actor died unexpectedly.\n\tpid: 1\nThe actor is dead because its node has died.\n"
LOW = """\
1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: ...) was ...
OOM kill reason: Memory usage 1820237824B exceeded threshold of 505530272B"""
RAISED = """\
\x1b[36mray::ResourceTrainable.train()\x1b[39m (pid=5114, ip=127.0.0.1)
  File "on_ray.py", line 8, in step
{}"""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), Cause.MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), Cause.MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), Cause.MEMORY),
        (RuntimeError("std::bad_alloc"), Cause.MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), Cause.DISK),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Cause.DISK),
        (RuntimeError("I/O error: No space left on device (os error 28)"), Cause.DISK),
        (ValueError("the memory of water"), Cause.ERROR),
        (OSError(errno.EACCES, "Permission denied"), Cause.ERROR),
    ],
)
def test_exceptions_by_their_kind(error: Exception, cause: Cause) -> None:
    assert cause_of(error) is cause


def test_an_array_too_large_is_too_little_memory() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(2**50)
    assert cause_of(caught.value) is Cause.MEMORY


@pytest.mark.parametrize(
    ("said", "cause", "reason"),
    [
        (DIED, Cause.LOST, "its worker process has died"),
        (NODE, Cause.LOST, "its node has died"),
        ("The actor is unreachable: network.", Cause.LOST, "The actor is unreachable: network."),
        ("", Cause.LOST, "no message"),
        (LOW, Cause.MEMORY, "Ray killed its worker, as the node was running low on memory"),
        (RAISED.format("MemoryError: big"), Cause.MEMORY, "MemoryError: big"),
        (RAISED.format("MemoryError"), Cause.MEMORY, "MemoryError"),
        (RAISED.format("KeyError: 'spec'"), Cause.ERROR, "KeyError: 'spec'"),
        (
            RAISED.format("OSError: [Errno 28] No space left on device: 'x'"),
            Cause.DISK,
            "OSError: [Errno 28] No space left on device: 'x'",
        ),
    ],
)
def test_what_ray_says_of_a_lost_actor(said: str, cause: Cause, reason: str) -> None:
    assert of_actor(said) == (cause, reason)


def test_full_is_full_in_words_too() -> None:
    assert is_full("Traceback ...\nOSError: [Errno 28] No space left on device")
    assert not is_full("OSError: [Errno 2] No such file or directory")
    assert not is_full(OSError(errno.EIO, "No space left on device, it seems"))


def test_what_cannot_be_written_is_said_in_a_line() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert unwritable("its log", full) == "its log cannot be written: No space left on device"
    assert unwritable("its log", OSError("odd")) == "its log cannot be written: OSError: odd"


def test_a_trial_error_travels_with_its_cause() -> None:
    error = pickle.loads(pickle.dumps(TrialError("full", "make room", Cause.DISK)))
    assert (error.message, error.hint, error.cause) == ("full", "make room", Cause.DISK)
