"""Threads of a worker, so that trials side by side do not fight for cores."""

import os

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
