"""Optuna's dashboard on the study database, for the search itself.

It has no log-in, and its routes that delete, tell and upload are open. Three things close them:
only GET and HEAD pass, the connection to the database is itself read-only, and beyond the loopback
interface a token is asked for. Its pages name their scripts and data by whole paths, so it has
``/dashboard``, ``/api``, ``/static`` and the like of this server for itself.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fesearch.dashboard.guard import Application, Environ
from fesearch.errors import FesearchError, StudyNotFoundError, first_line
from fesearch.optional import require
from fesearch.store.engine import (
    newly_opened,
    parse,
    reading_options,
    server_options,
    shown,
    sqlite_file,
)
from fesearch.store.results import Store
from fesearch.store.snapshot import elsewhere

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_log = logging.getLogger(__name__)


class Suggestions:
    """Optuna's dashboard as a WSGI application, made when it is first asked for.

    Args:
        url: of the study database.
        writable: its routes that write work too.
        failed: answers in its place while it cannot be made.
    """

    def __init__(
        self,
        url: str,
        writable: bool,
        failed: Callable[[FesearchError, Callable[..., Any]], Iterable[bytes]],
    ) -> None:
        self._url = url
        self._writable = writable
        self._failed = failed
        self._lock = threading.Lock()
        self._made: tuple[Application, RDBStorage] | None = None

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        try:
            application, _ = self._parts()
        except FesearchError as error:
            return self._failed(error, start)
        return application(environ, start)

    def number_of(self, study: str) -> int:
        """What Optuna calls the study of that name.

        Raises:
            InputError: optuna-dashboard is not installed.
            StudyNotFoundError: Optuna has no study of that name, or no tables in the database.
        """
        _, storage = self._parts()
        try:
            return storage.get_study_id_from_name(study)
        except KeyError:
            raise StudyNotFoundError(
                f"Optuna has no study '{study}': its sampler has suggested nothing yet.",
                "Wait for the first trials, or look at another study.",
            ) from None

    def _parts(self) -> "tuple[Application, RDBStorage]":
        with self._lock:
            if self._made is None:
                dashboard = require("optuna_dashboard", "dashboard")
                storage = (writing if self._writable else read_only)(self._url)
                if self._writable:
                    _draw(self._url, storage)
                self._made = dashboard.wsgi(storage), storage
            return self._made


def _draw(url: str, storage: "RDBStorage") -> None:
    """Write our figures of every study as it stands; one at work writes its own when it ends."""
    from fesearch.search.panels import show_all

    try:
        with Store.look(url) as store:
            show_all(store, storage)
    except Exception as error:  # noqa: BLE001  all else is to be seen without them
        _log.warning("The figures for optuna-dashboard were not written: %s", first_line(error))


def read_only(url: str) -> "RDBStorage":
    """Optuna's tables of a study database, on connections that cannot write.

    Raises:
        InputError: the URL is not one of SQLite or PostgreSQL.
        StudyNotFoundError: the database cannot be read or has no such tables.
    """
    parsed = parse(url)
    path = sqlite_file(parsed)
    if path is None:
        return _storage(url, reading_options(parsed))
    return _storage(url, newly_opened(lambda: _file(path)))


def writing(url: str) -> "RDBStorage":
    """Optuna's tables of a study database, on connections that can write; see ``read_only``."""
    parsed = parse(url)
    return _storage(url, server_options(parsed) if sqlite_file(parsed) is None else {})


def _storage(url: str, settings: dict[str, Any]) -> "RDBStorage":
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage

    parsed = parse(url)
    full = parsed.render_as_string(hide_password=False)
    try:
        return RDBStorage(full, settings, skip_compatibility_check=True, skip_table_creation=True)
    except StorageInternalError as error:
        reason = str(getattr(error.__cause__, "orig", error)).strip().splitlines()[0]
        raise StudyNotFoundError(
            f"There are no studies yet in {shown(parsed)} ({reason}).",
            "Start one: fesearch study start smoke; or name another database with --storage.",
        ) from error


def _file(path: Path) -> Path:
    """A database, or its snapshot as long as another host has it."""
    snapshot = elsewhere(path)
    return snapshot.file if snapshot else path
