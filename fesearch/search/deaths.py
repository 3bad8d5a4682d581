"""A trial that takes its process with it, again and again: counted by what is noted of it.

Where trials share the process of the search, nobody is left to count when it dies. Who resumes the
search finds it unended, and counts before the trial goes on.
"""

from fesearch.errors import counted

MOST = 5
"""So often the process may die in a trial that comes no further; then the trial fails."""


def noted(before: str, place: str) -> tuple[str, bool]:
    """What is noted of a trial in which the process died.

    A trial that has come further since the last time is counted anew: it was something else, such
    as a person, that ended its process.

    Args:
        before: what has been noted of it.
        place: how far it had come, in words that are others once it comes further.

    Returns:
        the line, and whether it has died as often as it may.
    """
    lines = [f"its process died {counted(n, 'time')} {place}" for n in range(1, MOST + 1)]
    times = lines.index(before) + 1 if before in lines[:-1] else 0
    return lines[times], times + 1 == MOST
