"""Which files of a study are kept: those of the best trials, as far as a disk limit goes."""

from pathlib import Path

import pytest

from fesearch.errors import InputError
from fesearch.record import TrialResult, TrialSpec, TrialState
from fesearch.search import folder
from fesearch.search.checkpoint import CHECKPOINT, END, folder_of
from fesearch.search.folder import Keeper, size_of
from fesearch.search.worker import LOG, MODEL
from fesearch.studyfile import load


def end(
    keeper: Keeper, folder: Path, number: int, value: float, parameters: int | None = None
) -> None:
    """A trial ends, whose weights take 1,000 bytes and whose log takes 10."""
    weights = folder_of(folder, number) / MODEL
    weights.mkdir(parents=True)
    (weights / "model.safetensors").write_bytes(bytes(1000))
    (folder_of(folder, number) / LOG).write_bytes(bytes(10))
    keeper.ended(sized(number, value, parameters))


def sized(number: int, value: float, parameters: int | None = None) -> TrialResult:
    return TrialResult(number, "irnet", {}, 0, TrialState.COMPLETE, value, parameters=parameters)


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


def test_what_no_other_trial_beats_in_all_objectives_stays_too(tmp_path: Path) -> None:
    size = {0: (0.1, 900), 1: (0.2, 500), 2: (0.3, 700), 3: (0.4, 100), 4: (0.5, 300)}
    keeper = Keeper(tmp_path, 1, "minimize", objectives=["parameters"])
    for number, (value, parameters) in size.items():
        end(keeper, tmp_path, number, value, parameters)
    assert kept(tmp_path) == [0, 1, 3]
    end(keeper, tmp_path, 5, 0.15, 90)  # better than 1 and 3 in both
    assert kept(tmp_path) == [0, 5]
    end(keeper, tmp_path, 6, 0.05, 1000)
    assert kept(tmp_path) == [0, 5, 6]
    again = Keeper(tmp_path, 1, "minimize", disk_limit=2070, objectives=["parameters"])
    again.opened(None, [sized(0, 0.1, 900), sized(5, 0.15, 90), sized(6, 0.05, 1000)])
    assert kept(tmp_path) == [0, 6]  # the worst goes where there is no room


def test_what_running_trials_leave_counts_too(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, 3, "minimize", disk_limit=5000)
    checkpoint = folder_of(tmp_path, 2) / CHECKPOINT
    keeper.began(TrialSpec(2, "irnet", {}, 1, (9,)), resumed=False)
    end(keeper, tmp_path, 0, 0.1)
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(bytes(3000))
    end(keeper, tmp_path, 1, 0.2)
    assert kept(tmp_path) == [0]
    again = Keeper(tmp_path, 3, "minimize", disk_limit=5000)
    again.opened(None, [ended(0, 0.1), ended(1, 0.2), still_running(2)])
    end(again, tmp_path, 3, 0.3)
    assert kept(tmp_path) == [0]
    checkpoint.unlink()
    end(again, tmp_path, 4, 0.4)
    assert kept(tmp_path) == [0, 4]


def test_what_killed_workers_left_half_written_goes_with_the_end_of_their_trials(
    tmp_path: Path,
) -> None:
    inside = folder_of(tmp_path, 0)
    (inside / MODEL).mkdir(parents=True)
    halves = [f".{CHECKPOINT}.a1", f".{END}.b2", f"{MODEL}/.model.safetensors.c3"]
    for name in [*halves, CHECKPOINT, END, f"{MODEL}/model.safetensors", LOG]:
        (inside / name).write_bytes(b"1")
    Keeper(tmp_path, 3, "minimize").opened(None, [ended(0, 0.1)])
    left = {str(path.relative_to(inside)) for path in inside.rglob("*") if path.is_file()}
    assert left == {END, f"{MODEL}/model.safetensors", LOG}


def still_running(number: int) -> TrialResult:
    return TrialResult(number, "irnet", {}, 1, TrialState.RUNNING)


def test_the_end_of_a_trial_looks_at_no_other_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(tmp_path, 3, "minimize", disk_limit=10**9)
    keeper.opened(None, [still_running(9)])
    for number in range(5):
        end(keeper, tmp_path, number, 0.1 * number)
    seen: list[str] = []

    def look(path: Path) -> int:
        seen.append(path.name)
        return 0

    monkeypatch.setattr(folder, "size_of", look)
    end(keeper, tmp_path, 5, 0.01)
    assert sorted(seen) == ["000002", "000005", "000009"]  # that which fell behind among them


def test_a_recount_takes_up_what_is_there(tmp_path: Path) -> None:
    first = Keeper(tmp_path, 3, "minimize")
    for number, value in enumerate([0.1, 0.2, 0.3]):
        end(first, tmp_path, number, value)
    results = [ended(number, value) for number, value in enumerate([0.1, 0.2, 0.3])]
    Keeper(tmp_path, 3, "minimize", disk_limit=2030).opened(None, results)
    assert kept(tmp_path) == [0, 1]


def test_the_best_stays_whatever_the_limit(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, 3, "maximize", disk_limit=1)
    for number, value in enumerate([0.2, 0.1, 0.3]):
        end(keeper, tmp_path, number, value)
    assert kept(tmp_path) == [2]
    assert all((folder_of(tmp_path, number) / LOG).is_file() for number in range(3))


def test_an_end_stays_as_long_as_a_trial_waits_or_runs_to_go_on_from_it(tmp_path: Path) -> None:
    waiting = {0}
    keeper = Keeper(tmp_path, 1, "minimize", lambda: waiting)
    for number, value in ((0, 0.9), (1, 0.5), (2, 0.4)):
        ended_with_end(keeper, tmp_path, number, value)
    assert ends(tmp_path) == [0, 2]
    keeper.began(TrialSpec(3, "irnet", {}, 1, (9,), parent=0), resumed=False)
    waiting.clear()
    ended_with_end(keeper, tmp_path, 4, 0.3)
    assert ends(tmp_path) == [0, 4]
    again = Keeper(tmp_path, 1, "minimize")
    results = [ended(0, 0.9), TrialResult(3, "irnet", {}, 1, TrialState.RUNNING, parent=0)]
    again.opened(None, [*results, ended(4, 0.3)])
    assert ends(tmp_path) == [0, 4]
    ended_with_end(keeper, tmp_path, 3, 0.2)
    assert ends(tmp_path) == [3]


def ended(number: int, value: float) -> TrialResult:
    return TrialResult(number, "irnet", {}, 1, TrialState.COMPLETE, value=value)


def ended_with_end(keeper: Keeper, folder: Path, number: int, value: float) -> None:
    """A trial leaves its end and is over."""
    end_file = folder_of(folder, number) / END
    end_file.parent.mkdir(parents=True)
    end_file.touch()
    keeper.ended(ended(number, value))


def ends(folder: Path) -> list[int]:
    """Numbers of the trials whose ends are there."""
    return sorted(int(path.parent.name) for path in folder.rglob(END))


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    end(Keeper(tmp_path, 1, "minimize"), tmp_path, 0, 0.1)
    assert size_of(tmp_path) == 1010
    assert size_of(tmp_path / "nothing") == 0


def test_a_limit_is_written_in_bytes_or_their_multiples() -> None:
    assert load("irnet", {}, ("disk_limit=20GB",)).disk_limit == 20_000_000_000
    assert load("irnet", {"disk_limit": 7}).disk_limit == 7
    with pytest.raises(InputError, match="has disk_limit = 'lots'"):
        load("irnet", {}, ("disk_limit=lots",))
