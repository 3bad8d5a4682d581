"""The store: what studies found and who is at work on them, in one database."""

from fesearch.store.budgets import Budgets
from fesearch.store.glance import Glances
from fesearch.store.leases import Leases
from fesearch.store.looks import Looks
from fesearch.store.queue import Queue
from fesearch.store.ranking import Ranking
from fesearch.store.searches import Searches
from fesearch.store.studies import Studies
from fesearch.store.transfer import Transfer
from fesearch.store.trials import Trials


class Store(Studies, Trials, Queue, Budgets, Ranking, Looks, Leases, Searches, Transfer, Glances):
    """An open database of studies.

    ``with Store.open("sqlite:///fesearch.db") as store: ...``. It may be used by several threads.
    Not knowing a study is an error of ``study(name)``; all else takes the row that it returns.
    """

    def stop(self, name: str) -> bool:
        """Ask whoever drives a study, or a search over many families, to stop.

        Returns:
            whether anybody does.

        Raises:
            StudyNotFoundError: there is none of that name.
        """
        asked = self.request_stop_of_search(name)
        rows = [one.study for one in self.portfolio(name)] if asked else self.named([name])
        driven = [row for row in rows if self.driven(row)]
        for row in driven:
            self.request_stop(row)
        return asked or bool(driven)
