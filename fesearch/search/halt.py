"""A stop that is asked for while no search runs, and reaches the next one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fesearch.record import Report, TrialResult, TrialSpec

if TYPE_CHECKING:
    from fesearch.search.core import Core


class Halt:
    """Stands in for a core between searches, and is a watcher that stops theirs.

    Attributes:
        reason: why all is to stop; an empty text where it is not.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._core: Core | None = None

    def stop(self, reason: str) -> None:
        """Begin nothing more; from any thread."""
        self.reason = self.reason or reason
        if self._core is not None:
            self._core.stop(self.reason)

    def opened(self, core: "Core", results: Sequence[TrialResult]) -> None:
        self._core = core
        if self.reason:
            core.stop(self.reason)

    def began(self, spec: TrialSpec, resumed: bool) -> None:
        """Nothing to do: from now on the core is asked itself."""

    def reported(self, number: int, report: Report) -> None:
        """Nothing to do."""

    def ended(self, result: TrialResult) -> None:
        """Nothing to do."""

    def noted(self, line: str) -> None:
        """Nothing to do."""
