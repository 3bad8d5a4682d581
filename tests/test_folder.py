"""Which files of a study are kept: those of the best trials, as far as a disk limit goes."""

from pathlib import Path

import pytest

from fesearch.errors import InputError
from fesearch.record import TrialResult, TrialState
from fesearch.search.checkpoint import folder_of
from fesearch.search.folder import Keeper, size_of
from fesearch.search.worker import LOG, MODEL
from fesearch.study import load


def end(keeper: Keeper, folder: Path, number: int, value: float) -> None:
    """A trial ends, whose weights take 1,000 bytes and whose log takes 10."""
    weights = folder_of(folder, number) / MODEL
    weights.mkdir(parents=True)
    (weights / "model.safetensors").write_bytes(bytes(1000))
    (folder_of(folder, number) / LOG).write_bytes(bytes(10))
    keeper.ended(TrialResult(number, "irnet", {}, 0, TrialState.COMPLETE, value))


def kept(folder: Path) -> list[int]:
    return sorted(int(path.parent.name) for path in folder.glob(f"*/{MODEL}"))


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, [0, 1, 2]), (3030, [0, 1, 2]), (3029, [0, 1]), (2029, [1])]
)
def test_a_disk_limit_lets_fewer_trials_stay(
    limit: int | None, expected: list[int], tmp_path: Path
) -> None:
    keeper = Keeper(tmp_path, 3, "minimize", disk_limit=limit)
    for number, value in enumerate([0.2, 0.1, 0.3]):
        end(keeper, tmp_path, number, value)
    assert kept(tmp_path) == expected


def test_the_best_stays_whatever_the_limit(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, 3, "maximize", disk_limit=1)
    for number, value in enumerate([0.2, 0.1, 0.3]):
        end(keeper, tmp_path, number, value)
    assert kept(tmp_path) == [2]
    assert all((folder_of(tmp_path, number) / LOG).is_file() for number in range(3))


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    end(Keeper(tmp_path, 1, "minimize"), tmp_path, 0, 0.1)
    assert size_of(tmp_path) == 1010
    assert size_of(tmp_path / "nothing") == 0


def test_a_limit_is_written_in_bytes_or_their_multiples() -> None:
    assert load("irnet", {}, ("disk_limit=20GB",)).disk_limit == 20_000_000_000
    assert load("irnet", {"disk_limit": 7}).disk_limit == 7
    with pytest.raises(InputError, match="has disk_limit = 'lots'"):
        load("irnet", {}, ("disk_limit=lots",))
