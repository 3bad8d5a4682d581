"""Studies that are deleted: nothing is left, whatever cuts a deletion off."""

import errno
import os
import shutil
from typing import Any

import pytest
from driven import study_row
from small import Killed, deadly, small

from fesearch.errors import InputError, StudyNotFoundError
from fesearch.search import start
from fesearch.search.folder import study_folder
from fesearch.search.mirror import Mirror, in_database
from fesearch.store.results import Store
from fesearch.store.types import StudyRow


@pytest.mark.parametrize("place", [(shutil, "rmtree"), (Mirror, "forget"), (Store, "delete_study")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deletion_that_was_cut_off_is_done_by_typing_it_again(
    place: tuple[Any, str], when: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = start.start(small(seed=9, trials=1), url).row
    with monkeypatch.context() as patch:
        patch.setattr(*place, deadly(getattr(*place), 1, when))
        with pytest.raises(Killed):
            start.delete("deep", url)
    if place[1] == "delete_study" and when == "after":
        with pytest.raises(StudyNotFoundError):
            start.delete("deep", url)
    else:
        start.delete("deep", url)
    check_gone(row, url)


def check_gone(row: StudyRow, url: str) -> None:
    """Nothing is left of a study, in the database or among the artifacts."""
    assert not study_folder(row).exists()
    with pytest.raises(StudyNotFoundError):
        study_row(url, row.name)
    storage = in_database(url)
    assert storage.get_all_studies() == []
    storage.engine.dispose()


def test_files_that_cannot_be_removed_keep_their_study(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = start.start(small(trials=1), url).row

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        with pytest.raises(InputError) as caught:
            start.delete("deep", url)
    assert str(caught.value) == (
        f"The files of 'deep' in {study_folder(row)} cannot be removed: Permission denied.\n"
        "Remove what is in the way, then type: fesearch study delete deep"
    )
    start.delete("deep", url)
    check_gone(row, url)


def test_deleting_leaves_no_rows_and_no_files(url: str) -> None:
    row = start.start(small(trials=1), url).row
    start.delete("deep", url)
    check_gone(row, url)
