"""Kills by the kernel for want of memory, as it counts them."""

from pathlib import Path

import pytest

from fesearch.search import oom


def test_kills_are_counted_wherever_the_kernel_tells_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / name for name in ("vmstat", "memory.events", "memory.oom_control")]
    monkeypatch.setattr(oom, "COUNTERS", files)
    assert oom.kills() is None
    files[0].write_text("nr_free_pages 3\noom_kill 2\nswap_ra 7\n")
    assert oom.kills() == 2
    files[1].write_text("low 0\noom 5\noom_kill 1\noom_group_kill 4\n")
    files[2].write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert oom.kills() == 6


def test_what_this_kernel_says_is_a_number_or_nothing() -> None:
    now = oom.kills()
    assert now is None or now >= 0
