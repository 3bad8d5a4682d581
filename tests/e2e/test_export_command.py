"""An exported folder taken elsewhere: its study file starts again, as its README says."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
from lab import Lab, beside, sets
from own_files import EXAMPLE

from fesearch.bundlefiles import CARD, README

pytestmark = pytest.mark.slow

SMALL = ["runner=inline", "space.learning_rate=[1e-2, 1e-3]", "patience=2"]
STUDY = ["--data", "alloys", "--seed", "3", "--trials", "3", "--max-epochs", "3", *sets(*SMALL)]
NET = ["irnet", *sets("space.depth=3", "space.width=0.125", "space.batch_size=32")]


def again(folder: Path, *files: str) -> list[str]:
    """The line of the README that starts the study again, with these files."""
    [line] = [one for one in (folder / README).read_text().splitlines() if "study.toml" in one]
    program, *words = shlex.split(line)
    assert program == "fesearch"
    given = iter(files)
    return [
        str(folder / word) if word == "study.toml" else next(given) if word == "FILE.py" else word
        for word in words
    ]


@pytest.mark.parametrize("whose", ["shipped", "own"])
def test_the_study_file_searches_again_elsewhere(
    house: Lab, lab: Lab, tmp_path_factory: pytest.TempPathFactory, whose: str
) -> None:
    source = lab.folder / "net.py"
    source.write_text(EXAMPLE.read_text())
    lab.run("study", "start", *(NET if whose == "shipped" else ["net.py"]), *STUDY, "--name", "one")
    lab.run("export", "one", "--to", "model")
    before = lab.json("trials", "one")
    folder = tmp_path_factory.mktemp("else where") / "model #1"
    shutil.move(lab.folder / "model", folder)
    assert str(lab.folder) not in (folder / "study.toml").read_text()
    card = json.loads((folder / CARD).read_text())

    with beside(house, tmp_path_factory.mktemp("other")) as other:  # without that study
        net = other.folder / "mine.py"
        shutil.move(source, net)
        other.run(*again(folder, str(net)))
        after = other.json("trials", "again")
        assert len(after) == 3
        same = ("number", "state", "value", "config", "seed", "resource")
        assert [[one[key] for key in same] for one in after] == (
            [[one[key] for key in same] for one in before]
        )
        best = after[card["members"][0]["trained"]["trial"]]
        assert (best["value"], best["config"]) == (
            card["validation"]["value"],
            card["members"][0]["trained"]["config"],
        )
        files = ["--family-file", str(net)] if whose == "own" else []
        other.run("export", "again", "--to", "again")
        said = [
            other.json("predict", str(where), "AlTi", *files)
            for where in (folder, other.folder / "again")
        ]
        assert said[0] == said[1]
