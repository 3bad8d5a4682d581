"""Ray as it is started and left."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray._private import worker

from fesearch import raysession
from fesearch.errors import FesearchError


def test_who_leaves_ray_waits_for_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    node = SimpleNamespace(all_processes={"raylet": [SimpleNamespace(process=slow)]})
    monkeypatch.setattr(worker, "_global_node", node)
    monkeypatch.setattr(raysession.ray, "shutdown", lambda: None)
    raysession._shut_down()
    assert slow.returncode == 0


def test_who_is_impatient_leaves_no_files_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A third Ctrl-C, while Ray ends."""
    monkeypatch.setattr(raysession.signal, "getsignal", lambda _: signal.default_int_handler)
    folder = tmp_path / "session"
    folder.mkdir()
    begun = SimpleNamespace(address_info={"session_dir": str(folder)})
    monkeypatch.setattr(raysession.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(raysession.ray, "init", lambda **_: begun)
    monkeypatch.setattr(raysession.ray, "cluster_resources", dict)
    monkeypatch.setattr(raysession, "_shut_down", lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), raysession.session():
        assert folder.is_dir()
    assert not folder.exists()


def test_a_ray_that_does_not_start_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: object) -> None:
        raise Exception("The current node timed out during startup. This could happen.")

    monkeypatch.setattr(raysession.ray, "init", init)
    with pytest.raises(FesearchError) as caught, raysession.session(1):
        """It is not reached."""
    said = "Ray does not start: Exception: The current node timed out during startup."
    assert caught.value.message.startswith(said)
    assert caught.value.hint.endswith("one trial at a time: --set runner=inline")
