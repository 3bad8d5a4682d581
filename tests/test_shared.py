"""Storage that every node of a cluster sees, looked at by a real Ray."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fesearch import hardware, raysession
from fesearch.errors import InputError
from fesearch.search import shared


@pytest.fixture(scope="module", autouse=True)
def ray_of_one_core() -> Iterator[None]:
    with raysession.session(cpus=1):
        yield


def test_a_folder_that_all_nodes_see_is_left_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "deep"
    [node] = shared.check(folder)
    assert list(folder.iterdir()) == []
    assert (node.cpus, node.gpus) == (1, 0)
    assert (node.memory, node.gpu_memory) == (hardware.memory().total, hardware.gpu_memory())


def test_a_node_that_does_not_see_the_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    look = shared._look
    monkeypatch.setattr(shared, "_look", lambda asked, answered: look(elsewhere, answered))
    with pytest.raises(InputError) as caught:
        shared.check(tmp_path)
    assert caught.value.message.endswith(
        f" of the cluster does not share '{tmp_path}': No such file or directory."
    )
    assert caught.value.hint == "Set FESEARCH_ARTIFACTS to a folder on storage that all nodes see."
    assert list(tmp_path.iterdir()) == []


def test_a_node_with_another_folder_of_that_name_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_look", lambda asked, answered: (None, 0, None))
    with pytest.raises(InputError, match="what it wrote there is not here"):
        shared.check(tmp_path)
