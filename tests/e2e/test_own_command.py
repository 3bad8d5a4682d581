"""A family of the user's own as users run it: on Ray, killed, changed, restored, exported."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from driven import results
from lab import Lab, kill, wait_for, write_data
from own_files import EXAMPLE, full

from fesearch.errors import FesearchError

pytestmark = pytest.mark.slow

STUDY = ["study", "start", "net.py", "--data", "alloys", "--sampler", "random", "--pruner", "none"]
STUDY += ["--trials", "4", "--max-epochs", "80", "--seed", "1", "--set", "patience=80"]
STUDY += ["--set", "space.learning_rate=0.001"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A folder with data, and the worked example, slower to train, as ``net.py``."""
    ray = Path(tempfile.mkdtemp(prefix="ray-"))
    made = Lab.at(tmp_path, tmp_path / "cache", ray)
    write_data(tmp_path / "alloys.csv")
    words = ["--name", "alloys", "--formula", "formula", "--target", "e_form", "--unit", "eV/atom"]
    made.run("data", "import", "alloys.csv", *words)
    (tmp_path / "net.py").write_text(EXAMPLE.read_text().replace("BATCH = 32", "BATCH = 8"))
    yield made
    made.close()
    shutil.rmtree(ray, ignore_errors=True)


def ended(lab: Lab) -> int:
    """How many trials have ended."""
    try:
        return sum(result.state.finished for result in results(lab.url, "my_net"))
    except FesearchError:
        return 0  # there is no study yet


def test_killed_with_ray_and_resumed_only_with_the_same_code(lab: Lab) -> None:
    net = lab.folder / "net.py"
    name, text = full("my_net", net), net.read_text()
    driver = lab.begin(*STUDY, "--cpus", "2")
    wait_for(lambda: ended(lab), "a trial has ended")
    kill(driver)
    before = results(lab.url, "my_net")
    assert 0 < sum(one.state.finished for one in before) < 4
    assert wait_for(lambda: not lab.processes(), "Ray's orphans have ended")

    net.write_text(text.replace("BATCH = 8", "BATCH = 4"))
    lab.run("study", "resume", "my_net", code=2)
    assert lab.err.startswith(
        f"The file '{net}' is {full('', net)[1:]} now and was {name[7:]} when"
    )
    assert results(lab.url, "my_net") == before
    net.write_text(text)
    lab.run("study", "resume", "my_net")
    lab.run(*STUDY, "--name", "whole", "--set", "runner=inline")
    assert results(lab.url, "my_net") == results(lab.url, "whole")
    assert {one.family for one in results(lab.url, "my_net")} == {name}

    (first, *_) = lab.json("rank", "--study", "my_net")
    assert first["family"] == name
    lab.run("export", "my_net", "--to", "model")
    lab.run("predict", "model", "AlTi", code=2)
    assert "--family-file FILE.py" in lab.err
    (predicted,) = lab.json("predict", "model", "AlTi", "--family-file", "net.py")
    assert predicted["unit"] == "eV/atom"
