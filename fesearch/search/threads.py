"""Threads of workers and of the driver, so that those side by side do not fight for cores."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def pin(threads: int) -> None:
    """Let this process compute with so many threads, whatever its environment says.

    Ray sets OMP_NUM_THREADS for a worker only where it is not set already, and the files that load
    software on clusters often set it to all cores. Libraries that are loaded have their pools made
    smaller; those that come later read the environment.
    """
    from threadpoolctl import threadpool_limits

    os.environ.update(dict.fromkeys(VARIABLES, str(threads)))
    threadpool_limits(limits=threads)  # for good: nothing puts it back


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Inside, the libraries that are loaded compute with so many threads; torch counts its own.

    Afterwards they do as before: other code of people's own may run in this process.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        yield
