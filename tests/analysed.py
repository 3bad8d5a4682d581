"""Findings of the studies that tests share."""

from collections.abc import Sequence

from fesearch.analysis import ANALYSES, Finding
from fesearch.subject import subject

MODELS = ["parity", "errors", "target_bins", "elements", "permutation"]


def found(kind: str, names: Sequence[str], url: str, **given: object) -> Finding:
    analysis = ANALYSES.get(kind)
    return analysis.find([subject(name, url) for name in names], analysis.settings(**given))
