"""A store over each kind of database in turn."""

from collections.abc import Iterator

import pytest

from fesearch.store.results import Store


@pytest.fixture
def store(storage_url: str) -> Iterator[Store]:
    with Store.open(storage_url) as store:
        yield store
