"""Studies that tests extend."""

from typing import Any

from driven import study_row
from small import small

from fesearch.search import start
from fesearch.search.checkpoint import END
from fesearch.search.folder import study_folder

TO_THE_END: dict[str, Any] = {"pruner": "none", "sampler": "random", "trials": 3}


def four_epochs(url: str, **keys: Any) -> None:
    """A complete study whose three trials have all reached their end at four epochs."""
    start.start(small(max_epochs=4, **{**TO_THE_END, **keys}), url)


def ends(url: str) -> set[int]:
    folder = study_folder(study_row(url, "deep"))
    return {int(path.parent.name) for path in folder.glob(f"*/{END}")}
