"""The resource of boosted trees, whatever grows them: rounds."""

from fesearch.family import Resource


def rounds(step: int) -> Resource:
    """Rounds, ``step`` at a time."""
    return Resource(
        unit="rounds",
        step=step,
        maximum=2000,
        patience=100,
        earliest=0.1,  # slow learners catch up until then: benchmarks/policies.py
    )
