"""Named random streams of one seed."""

import numpy as np

from fesearch.seeds import derive, generator


def test_a_stream_is_the_same_on_every_machine() -> None:
    assert derive(0, "trial", 3) == 3909199337  # sha256sum of 0, trial and 3 between \x1f
    assert generator(0, "split").integers(1000, size=3).tolist() == [319, 751, 137]


def test_streams_differ_by_seed_and_by_name() -> None:
    names = [(seed, *name) for seed in (0, 1) for name in [("a",), ("b",), ("a", 1), ("a", 2)]]
    assert len({derive(*name) for name in names}) == len(names)


def test_names_are_not_run_together() -> None:
    assert derive(1, "ab", "c") != derive(1, "a", "bc")
    assert derive(11, "a") != derive(1, "1a")


def test_drawing_from_one_stream_leaves_another_alone() -> None:
    expected = generator(0, "b").random(3)
    generator(0, "a").random(100)
    np.testing.assert_array_equal(generator(0, "b").random(3), expected)
