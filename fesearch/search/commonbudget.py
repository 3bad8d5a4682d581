"""What a run of a search over many families may spend of the budget that they share."""

import math
import time

from fesearch.portfolio import BUDGET, Portfolio, of_keys
from fesearch.search.standings import members, worked
from fesearch.store.studies import PORTFOLIO


class CommonBudget:
    """What a run of a portfolio may spend. Others may change it in the store while it runs.

    Args:
        seconds: of this run, whatever the budget is; None for no limit of its own.

    Attributes:
        portfolio: with the budget as it was when it was last looked at.
        limited: the run has a limit of its own.
        due: ``time.monotonic()`` by which the time that families share is over; infinite where
            they share none.
    """

    def __init__(self, portfolio: Portfolio, url: str, seconds: float | None) -> None:
        now = self._began = time.monotonic()
        self.portfolio = portfolio
        self._url = url
        self.limited = seconds is not None
        self._limit = math.inf if seconds is None else now + seconds
        self.due = math.inf
        self._before = worked(portfolio.name, url)
        if portfolio.seconds is not None:
            self.due = now + portfolio.seconds - self._before

    @property
    def deadline(self) -> float:
        """``time.monotonic()`` by which the run is to end; infinite without a time limit."""
        return min(self._limit, self.due)

    def worked(self) -> float:
        """Seconds that this run and those before it have had, of those that there are to share.

        What a search takes that is over, to be looked at again, is no part of its next budget.
        """
        most = math.inf if self.portfolio.seconds is None else self.portfolio.seconds
        return min(self._before + time.monotonic() - self._began, max(self._before, most))

    def renew(self) -> Portfolio:
        """Take up a change of the budget; the portfolio as it is now."""
        before = self.portfolio
        for summary in members(before.name, self._url)[:1]:
            now = summary.study.definition[PORTFOLIO]
            changed = {key: now[key] for key in BUDGET if now.get(key) != before.keys.get(key)}
            if changed:
                self.portfolio = of_keys({**before.keys, **changed}, before.name)
                self.due += (self.portfolio.seconds or 0.0) - (before.seconds or 0.0)
        return self.portfolio
