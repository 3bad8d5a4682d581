"""Ray as it is started and left."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from ray._private import worker

from fesearch import raysession


def test_who_leaves_ray_waits_for_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"])
    node = SimpleNamespace(all_processes={"raylet": [SimpleNamespace(process=slow)]})
    monkeypatch.setattr(worker, "_global_node", node)
    monkeypatch.setattr(raysession.ray, "shutdown", lambda: None)
    raysession._shut_down()
    assert slow.returncode == 0
