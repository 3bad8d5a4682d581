"""A family of the user's own as users run it: on Ray, killed, changed, restored, exported."""

import pytest
from driven import now, results
from lab import Lab, kill, wait_for
from own_files import EXAMPLE, full

pytestmark = pytest.mark.slow

STUDY = ["study", "start", "net.py", "--data", "alloys", "--sampler", "random", "--pruner", "none"]
STUDY += ["--trials", "4", "--max-epochs", "80", "--seed", "1", "--set", "patience=80"]
STUDY += ["--set", "space.learning_rate=0.001"]


def ended(lab: Lab) -> int:
    """How many trials have ended."""
    return sum(result.state.finished for result in now(lab.url, "my_net"))


def test_killed_with_ray_and_resumed_only_with_the_same_code(lab: Lab) -> None:
    net = lab.folder / "net.py"
    net.write_text(EXAMPLE.read_text().replace("BATCH = 32", "BATCH = 8"))  # slower to train
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
