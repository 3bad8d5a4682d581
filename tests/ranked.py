"""Looks that tests of rankings share."""

from fesearch.holdout import holdout


def looked(studies: str) -> None:
    """The best of each family on the test part, the forest with three seeds and on two members."""
    holdout("nets", studies)
    holdout("forests", studies)
    holdout("forests", studies, seeds=3)
    holdout("forests", studies, over="repeated:divisions=2")
