"""All that the command line can do, Python can do: the function or method behind each command."""

import importlib
import inspect

import pytest

from fesearch.cli.app import COMMANDS, _imported

DOORS = {
    "data list": "fesearch.library:listing",
    "data show": "fesearch.description:describe",
    "data import": "fesearch.intake:read",
    "data fetch": "fesearch.fetch:fetch",
    "data plot": "fesearch.dataplot:plot",
    "data split": "fesearch.split:make",
    "data delete": "fesearch.library:delete",
    "features list": "fesearch.featureset:FEATURE_SETS",
    "features build": "fesearch.features:build",
    "features export": "fesearch.featuretable:write",
    "features clear": "fesearch.featurecache:clear",
    "families list": "fesearch.family:FAMILIES",
    "families show": "fesearch.family:Family.space",
    "families check": "fesearch.contract.examine:examine",
    "study start": "fesearch.api:search",
    "study resume": "fesearch.handle:StudyHandle.resume",
    "study extend": "fesearch.handle:StudyHandle.extend",
    "study enqueue": "fesearch.handle:StudyHandle.enqueue",
    "study archive": "fesearch.handle:StudyHandle.archive",
    "study replay": "fesearch.handle:StudyHandle.replay",
    "study list": "fesearch.api:studies",
    "study status": "fesearch.handle:StudyHandle.summaries",
    "study show": "fesearch.handle:StudyHandle.row",
    "study stop": "fesearch.handle:StudyHandle.stop",
    "study delete": "fesearch.handle:StudyHandle.delete",
    "trials list": "fesearch.handle:StudyHandle.to_dataframe",
    "trials show": "fesearch.handle:StudyHandle.trials",
    "best": "fesearch.handle:StudyHandle.best",
    "rank": "fesearch.ranking.rank:tables",
    "analyse": "fesearch.handle:StudyHandle.analyse",
    "report": "fesearch.handle:StudyHandle.report",
    "holdout": "fesearch.handle:StudyHandle.holdout",
    "export": "fesearch.handle:StudyHandle.export",
    "predict": "fesearch.predict:predict_file",
    "store backup": "fesearch.store.upkeep:backup",
    "store upgrade": "fesearch.store.upkeep:bring_up",
    "store copy": "fesearch.search.copies:copy",
    "cluster slurm": "fesearch.cluster.slurm:script",
    "cluster ray": "fesearch.cluster.launcher:text",
    "cluster address": "fesearch.cluster.nodes:address",
    "cluster wait": "fesearch.cluster.nodes:wait",
    "cluster over": "fesearch.search.remaining:remaining",
    "doctor": "fesearch.doctor:examine",
    "dashboard": "fesearch.dashboard:Server",
    "simulate": "fesearch.simulation:compare",
}


def test_every_command_has_its_door() -> None:
    typed = set()
    for name in COMMANDS:
        inside = getattr(_imported(name), "commands", {})
        typed |= {f"{name} {one}" for one in inside} or {name}
    assert typed == DOORS.keys()


@pytest.mark.parametrize("command", DOORS)
def test_the_door_is_there_and_documented(command: str) -> None:
    module, path = DOORS[command].split(":")
    found = importlib.import_module(module)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    assert inspect.getdoc(found)
