"""How sure a comparison of errors is: intervals, tests and groups of ties. NumPy alone.

Rows of one reduced formula are no independent witnesses, so that what is drawn and what is counted
here are groups of rows. With a group for each row these are the textbook's statistics.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from fesearch.seeds import generator

LEVEL = 0.95
RESAMPLES = 2000
ALPHA = 0.05
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DRAWN_AT_ONCE = 2_000_000  # indices in memory


@dataclass(frozen=True)
class Paired:
    """The difference of two means over the same rows.

    Attributes:
        difference: of the first minus the second.
        error: standard error of it.
        p: chance of a difference as large either way, were there none in truth.
    """

    difference: float
    error: float
    p: float


def bootstrap_interval(
    errors: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> tuple[float, float]:
    """The percentile interval of the mean, from whole groups drawn with replacement.

    Args:
        errors: (n,) such as absolute errors.
        groups: (n,) labels of what is drawn.
        seed: the same seed gives the same interval.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13.
    """
    sums, counts = _by_group(errors, groups)
    means = [
        sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
        for drawn in _draws(len(sums), resamples, seed)
    ]
    return _middle(means, level)


def bootstrap_intervals(
    truth: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
    *,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float]]:
    """The 95 % intervals of the scores in ``metrics.METRICS``, by name, drawn as above.

    Draws in which all true values are equal have no R² and are left out of its interval; where
    there are no others it has none.

    Args:
        truth, predicted: (n,), finite.
        groups: (n,) labels of what is drawn.
    """
    _, group = np.unique(groups, return_inverse=True)
    errors, apart = np.abs(predicted - truth), truth - np.mean(truth)
    order = np.argsort(errors)
    ascending, owner = errors[order], group[order]
    terms = (np.ones(len(truth)), errors, errors**2, apart, apart**2)
    sums = np.stack([np.bincount(group, weights=one) for one in terms], axis=1)
    equal = 1e-12 * sums[:, 4].sum()  # of rounding
    found: dict[str, list[np.ndarray]] = {"mae": [], "rmse": [], "p90": [], "r2": []}
    for drawn in _draws(len(sums), resamples, seed, rows=len(truth)):
        times = _drawn_times(drawn)
        rows, absolute, squares, first, second = (times.astype(np.float64) @ sums).T
        found["mae"].append(absolute / rows)
        found["rmse"].append(np.sqrt(squares / rows))
        found["p90"].append(_percentile(ascending, np.take(times, owner, axis=1), 0.9))
        spread = second - first**2 / rows
        varied = spread > equal
        found["r2"].append(1.0 - squares[varied] / spread[varied])
    if not sum(map(len, found["r2"])):
        del found["r2"]
    return {name: _middle(values, LEVEL) for name, values in found.items()}


def _percentile(ascending: np.ndarray, times: np.ndarray, share: float) -> np.ndarray:
    """A percentile of values each of which is there so many times, as NumPy interpolates it.

    Args:
        ascending: (n,) values.
        times: (k, n) how often each is drawn.
    """
    ends = np.cumsum(times, axis=1)
    place = share * (ends[:, -1] - 1)
    low, high = (
        ascending[[np.searchsorted(*pair, side="right") for pair in zip(ends, one, strict=True)]]
        for one in (np.floor(place), np.ceil(place))
    )
    return np.asarray(low + (place - np.floor(place)) * (high - low))


def repeated_interval(errors: np.ndarray, blocks: np.ndarray) -> tuple[float, float]:
    """The same as ``bootstrap_interval``, in milliseconds each for many errors of the same rows.

    Args:
        errors: (n,) such as absolute errors.
        blocks: (n,) labels from 0 of what is drawn, none left out, as ``in_blocks`` gives them.
    """
    sums, counts = np.bincount(blocks, weights=errors), np.bincount(blocks)
    times = _times(len(sums))
    drawn, rows = (times @ np.stack([sums, counts], axis=1)).T
    return _middle([drawn / rows], LEVEL)


@lru_cache(maxsize=1)
def _times(groups: int) -> np.ndarray:
    """How often each group is drawn, (resamples, groups) float64: 8 MB of 500 groups."""
    draws = _draws(groups, RESAMPLES, 0)
    return np.concatenate([_drawn_times(drawn).astype(np.float64) for drawn in draws])


BLOCKS = 500
"""Most of what is drawn: gives a mean's standard error to 3 % (1,000 to 2 %) in a bounded time."""


def in_blocks(labels: np.ndarray, most: int = BLOCKS) -> np.ndarray:
    """(n,) labels from 0, and where they are many the block of each, put together by chance."""
    _, places = np.unique(labels, return_inverse=True)
    count = int(places.max()) + 1
    if count <= most:
        return np.asarray(places)
    return np.asarray(generator(0, "blocks").permutation(count)[places] % most)


def bootstrap_interval_of_means(
    sums: np.ndarray, counts: np.ndarray, seed: int = 0, *, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % interval of the mean over members of their means, as ``bootstrap_interval`` draws.

    A member none of whose groups is drawn is left out of that draw.

    Args:
        sums: (g, m) of the errors of each group in each member.
        counts: (g, m) of its rows there.
    """
    means = []
    for drawn in _draws(len(sums), resamples, seed):
        times = _drawn_times(drawn)
        with np.errstate(invalid="ignore"):  # 0 / 0
            means.append(np.nanmean((times @ sums) / (times @ counts), axis=1))
    return _middle(means, LEVEL)


def paired_test(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> Paired:
    """Whether two (n,) errors of the same rows differ in their means: a t test over groups.

    The standard error is the one that is robust to rows of a group being alike; with a group for
    each row this is the paired t test.

    Source: Cameron and Miller, Journal of Human Resources 50 (2015) 317, equation 11.
    """
    return paired_tests(np.stack([first, second]), groups)[0, 1]


def paired_tests(errors: np.ndarray, groups: np.ndarray) -> dict[tuple[int, int], Paired]:
    """``paired_test`` of each two of (m, n) errors of n rows: (i, j), i < j -> the test."""
    each = [_by_group(one, groups) for one in errors]
    return {
        (i, j): _paired(each[i][0] - each[j][0], each[i][1])
        for i, j in combinations(range(len(each)), 2)
    }


def _paired(sums: np.ndarray, counts: np.ndarray) -> Paired:
    """The test of differences, from their sums and numbers by group, (g,) each."""
    difference = float(sums.sum() / counts.sum())
    rest = sums - counts * difference
    freedom = len(sums) - 1
    if freedom < 1:
        return Paired(difference, math.nan, math.nan)
    variance = float((rest @ rest) * len(sums) / freedom / counts.sum() ** 2)
    return _tested(difference, math.sqrt(variance), freedom)


def corrected_resampled_test(differences: Sequence[float], test_to_train: float) -> Paired:
    """Whether two means over repeated divisions differ, whose training rows overlap.

    Args:
        differences: one a division, two or more.
        test_to_train: rows to test over rows to train on, of one division.

    Source: Nadeau and Bengio, Machine Learning 52 (2003) 239: the variance of the differences
    times 1/J + n_test/n_train, with J - 1 degrees of freedom.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return Paired(float(values.mean()), math.nan, math.nan)
    variance = float(values.var(ddof=1)) * (1.0 / len(values) + test_to_train)
    return _tested(float(values.mean()), math.sqrt(variance), len(values) - 1)


def holm(p: Sequence[float]) -> list[float]:
    """The p values of several tests, so raised that one of them in all misleads as often as one.

    A test without a value (NaN) is none of them.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979) 65.
    """
    known = [place for place, value in enumerate(p) if not math.isnan(value)]
    raised, highest = [math.nan] * len(p), 0.0
    for rank, place in enumerate(sorted(known, key=lambda one: p[one])):
        highest = max(highest, min(1.0, (len(known) - rank) * p[place]))
        raised[place] = highest
    return raised


def tie_letters(count: int, differ: Mapping[tuple[int, int], bool]) -> list[str]:
    """A text of letters for each of ``count`` contenders; two that share none are different.

    Args:
        differ: (i, j), i < j -> whether these two differ. A pair that is missing does not.

    Source: the insert-and-absorb algorithm of Piepho, Journal of Computational and Graphical
    Statistics 13 (2004) 456.
    """
    columns = [frozenset(range(count))] if count else []
    for (first, second), real in sorted(differ.items()):
        if not real:
            continue
        split = []
        for column in columns:
            both = first in column and second in column
            split += [column - {first}, column - {second}] if both else [column]
        columns = _absorbed(split)
    columns.sort(key=sorted)
    names = [_letter(place) for place in range(len(columns))]
    return [
        "".join(name for name, column in zip(names, columns, strict=True) if one in column)
        for one in range(count)
    ]


def student_p(t: float, freedom: int) -> float:
    """The two-sided p value of Student's t: the regularised incomplete beta function."""
    if math.isnan(t):
        return math.nan
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))


def _tested(difference: float, error: float, freedom: int) -> Paired:
    """The test of a difference with that standard error; none at all where both are 0."""
    if error == 0.0:
        return Paired(difference, 0.0, 1.0 if difference == 0.0 else 0.0)
    return Paired(difference, error, student_p(difference / error, freedom))


def _draws(groups: int, resamples: int, seed: int, *, rows: int = 0) -> Iterator[np.ndarray]:
    """Numbers of groups drawn with replacement, (k, groups), as many k at once as memory takes.

    Args:
        rows: numbers that are computed of each draw, if more than there are groups.
    """
    draw = generator(seed, "bootstrap")
    at_once = max(1, _DRAWN_AT_ONCE // max(groups, rows))
    for begin in range(0, resamples, at_once):
        yield draw.integers(0, groups, (min(at_once, resamples - begin), groups))


def _drawn_times(drawn: np.ndarray) -> np.ndarray:
    """How often each group is among the (k, groups) drawn, (k, groups)."""
    places = drawn + drawn.shape[1] * np.arange(len(drawn))[:, None]
    return np.bincount(places.ravel(), minlength=drawn.size).reshape(drawn.shape)


def _middle(means: Sequence[np.ndarray], level: float) -> tuple[float, float]:
    """The percentile interval of resampled means."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(np.concatenate(means), [tail, 1.0 - tail])
    return float(low), float(high)


def _by_group(values: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each group, (g,) each."""
    _, place = np.unique(groups, return_inverse=True)
    return np.bincount(place, weights=values), np.bincount(place).astype(np.float64)


def _absorbed(columns: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Those columns that are part of no other."""
    distinct = list(dict.fromkeys(columns))
    return [one for one in distinct if one and not any(one < other for other in distinct)]


def _letter(place: int) -> str:
    """The letter of a column; beyond z with a number, so that no text is ambiguous."""
    times, rest = divmod(place, len(_LETTERS))
    return _LETTERS[rest] + (str(times) if times else "")


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b) by its continued fraction, evaluated by Lentz's method.

    Source: NIST Digital Library of Mathematical Functions, 8.17.22.
    """
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    fraction, c, d = 1.0, 1.0, 0.0
    for term in range(500):
        m = term // 2
        if term == 0:
            numerator = 1.0
        elif term % 2 == 0:
            numerator = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        else:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        d = 1.0 / (1.0 + numerator * d or tiny)
        c = 1.0 + numerator / c or tiny
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return front * (fraction - 1.0)
