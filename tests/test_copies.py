"""Copies of studies in another database: their files are their own, and their search goes on."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from driven import check_optuna_agrees, kept, story, study_row
from small import Killed, Watch, deadly, interrupt, small

from fesearch import doctor
from fesearch.errors import InputError
from fesearch.model import WEIGHTS
from fesearch.paths import studies_dir
from fesearch.search import copies, start
from fesearch.search.extend import extend
from fesearch.search.folder import log_file, model_folder, study_folder
from fesearch.search.worker import MODEL
from fesearch.store.results import Store
from fesearch.store.types import StudyRow


@pytest.fixture
def there(tmp_path: Path) -> str:
    """The URL of another database, which does not exist yet."""
    return f"sqlite:///{tmp_path}/there.db"


def files(row: StudyRow) -> dict[str, bytes]:
    """What the files of a study hold, by their paths in its folder."""
    folder = study_folder(row)
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize("links", [True, False])
def test_what_is_removed_on_one_side_stays_on_the_other(
    links: bool, url: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = start.start(small(trials=2, keep=2, seed=4), url).row
    if not links:
        monkeypatch.setattr(os, "link", _refused(errno.EOPNOTSUPP))
    assert copies.copy(url, there) == ["deep"]
    copied, before = study_row(there, "deep"), files(row)
    assert study_folder(copied) != study_folder(row)
    here, other = (model_folder(one, 0) / WEIGHTS for one in (row, copied))
    assert here.samefile(other) is links
    assert not log_file(row, 0).samefile(log_file(copied, 0))
    extend("deep", there, trials="+2")
    start.resume("deep", there)  # others are the best two there
    assert kept(study_row(there, "deep"), MODEL) != kept(row, MODEL)
    assert files(row) == before
    start.delete("deep", url)
    assert len(kept(copied, MODEL)) == 2
    start.delete("deep", there)
    assert list(studies_dir().glob(f"{row.name}-*")) == []


def test_a_copy_of_an_interrupted_study_goes_on_and_so_does_the_other(
    url: str, there: str, whole: tuple[Any, Any]
) -> None:
    row = start.start(small(), url, watchers=[Watch(7, interrupt)]).row
    copies.copy(url, there)
    before = files(row)
    start.resume("deep", there)
    assert files(row) == before
    start.resume("deep", url)
    for one in (url, there):
        assert story(one, "deep") == whole
        check_optuna_agrees(one, "deep")


def test_files_that_cannot_be_written_leave_no_copy(
    url: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.start(small(trials=1), url)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", _refused(errno.ENOSPC))
        with pytest.raises(InputError) as caught:
            copies.copy(url, there)
    assert str(caught.value) == (
        "The files of 'deep' cannot be copied: No space left on device.\n"
        f"Make room in {studies_dir()}, then type the command again."
    )
    assert list(studies_dir().glob(".*")) == []
    with Store.open(there) as store:
        assert store.studies() == []
    assert copies.copy(url, there) == ["deep"]


def test_a_copy_that_was_cut_off_is_found_by_the_doctor(
    url: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start.start(small(trials=1), url)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", deadly(shutil.copy2, 1, "after"))
        patch.setattr(shutil, "rmtree", lambda folder, **options: None)  # nobody is left to do it
        with pytest.raises(Killed):
            copies.copy(url, there)
    [left] = studies_dir().glob(".*")
    [_, found] = doctor.artifacts()
    assert found.state is doctor.State.NOTE
    assert found.found == f"1 folder of studies whose copy was cut off: {left}"
    assert found.mend == f"Unless a fesearch store copy is under way, type: rm -r {left}"


def _refused(number: int) -> Any:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse
