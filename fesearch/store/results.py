"""The store: what studies found and who is at work on them, in one database."""

from fesearch.store.budgets import Budgets
from fesearch.store.glance import Glances
from fesearch.store.leases import Leases
from fesearch.store.looks import Looks
from fesearch.store.queue import Queue
from fesearch.store.ranking import Ranking
from fesearch.store.studies import Studies
from fesearch.store.transfer import Transfer
from fesearch.store.trials import Trials


class Store(Studies, Trials, Queue, Budgets, Ranking, Looks, Leases, Transfer, Glances):
    """An open database of studies.

    ``with Store.open("sqlite:///fesearch.db") as store: ...``. It may be used by several threads.
    Not knowing a study is an error of ``study(name)``; all else takes the row that it returns.
    """
