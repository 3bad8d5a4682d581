"""When to give up a search in which everything fails: most likely it is not the configs' doing."""

from collections import Counter

from fesearch.record import Fault, TrialResult

MOST_FAULTS = 10
"""So many trials, all of them ended by faults of the machine, are enough."""
MOST_FAILURES = 30
"""So many that all failed, for whatever reason: every config of them diverged, say."""
_KINDS_SHOWN = 3


class Failures:
    """The trials that failed since a run of a search began, as long as nothing else came of any.

    Earlier runs do not count: whoever resumes a search has perhaps removed what was in its way.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._of_the_machine = True
        self._hope = False

    def hope(self) -> None:
        """A trial was of use: the search is not in vain."""
        self._hope = True

    def ended(self, result: TrialResult) -> None:
        """Count a trial that has ended."""
        if result.state.usable:
            self.hope()
            return
        kind = result.reason.partition(":")[0]
        self._counts[kind] += 1
        self._examples.setdefault(kind, result.reason)
        self._of_the_machine = self._of_the_machine and result.fault is Fault.MACHINE

    @property
    def verdict(self) -> str:
        """Why the search is given up, in a line; an empty text as long as it is not."""
        count = self._counts.total()
        if self._hope or count < (MOST_FAULTS if self._of_the_machine else MOST_FAILURES):
            return ""
        kinds = self._counts.most_common(_KINDS_SHOWN)
        said = "; ".join(f"{self._examples[kind]} ({times})" for kind, times in kinds)
        return f"the first {count} trials all failed: {said}"
