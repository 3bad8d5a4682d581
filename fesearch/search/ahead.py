"""Suggestions asked for one trial ahead, so that no worker waits for a sampler."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from fesearch.record import TrialResult
from fesearch.search.sampler import Sampler
from fesearch.space import Config, Value


class Ahead:
    """A sampler that computes its next suggestion while trials train.

    The config of trial n + 1 is made of what was known when trial n began, however long it takes
    and however many reports come meanwhile: they are held back until it is taken. So it is tied to
    the order of events, not to the speed of threads, and a search that is resumed makes the same.

    Args:
        sampler: that is asked; from ``go`` on in a thread of its own.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._pool: ThreadPoolExecutor | None = None
        self._due: int | None = None
        self._future: Future[dict[str, Value] | None] | None = None
        self._held: list[Callable[[], None]] = []

    def go(self) -> None:
        """What was recorded has been told: from now on a thread computes what will be asked for."""
        self._pool = ThreadPoolExecutor(1, "fesearch-sampler")
        self._ask()

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def suggest(self, number: int) -> dict[str, Value] | None:
        if number != self._due:
            self._catch_up()
            return self._sampler.suggest(number)
        config = self._future.result() if self._future else self._sampler.suggest(number)
        self._catch_up()
        return config

    def begin(self, number: int, family: str, config: Config) -> None:
        self._catch_up()
        self._sampler.begin(number, family, config)
        self._due = number + 1
        self._ask()

    def report(self, number: int, resource: int, best: float | None) -> None:
        self._tell(lambda: self._sampler.report(number, resource, best))

    def finish(self, result: TrialResult) -> None:
        self._tell(lambda: self._sampler.finish(result))

    def _ask(self) -> None:
        if self._pool is not None and self._due is not None:
            self._future = self._pool.submit(self._sampler.suggest, self._due)

    def _tell(self, event: Callable[[], None]) -> None:
        if self._due is None:
            event()
        else:
            self._held.append(event)

    def _catch_up(self) -> None:
        """Tell the sampler what was held back; a suggestion that was not taken is forgotten."""
        if self._future is not None:
            wait([self._future])
        self._due = self._future = None
        for event in self._held:
            event()
        self._held.clear()
