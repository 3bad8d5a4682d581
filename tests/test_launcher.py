"""Cluster files for Ray's launcher: as Ray's own schema wants them, every text quoted."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from fesearch.cli.app import run
from fesearch.cluster.launcher import Machines, settings, text
from fesearch.errors import InputError

MACHINES = Machines("fe", "node1", ["node2", "10.0.0.3"], "me", setup=["source '/a b/activate'"])


def test_it_is_valid_by_rays_schema() -> None:
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    said = yaml.safe_load(text(replace(MACHINES, key='/home/me/.ssh/id: "x" #')))
    jsonschema.validate(said, json.loads(schema.read_text()))
    assert said["auth"] == {"ssh_user": "me", "ssh_private_key": '/home/me/.ssh/id: "x" #'}
    assert said["provider"]["worker_ips"] == ["node2", "10.0.0.3"]
    assert said["max_workers"] == 2
    whole = prepare_config(said)  # as ``ray up`` completes it
    validate_config(whole)
    assert whole["available_node_types"]["local.cluster.node"]["min_workers"] == 2


def test_it_says_what_to_type_on_the_head() -> None:
    # Without the variable Ray lets nobody in who has the token's file.
    assert "RAY_AUTH_MODE=token fesearch study start … --address node1:6379\n" in text(MACHINES)


def test_every_ray_asks_for_the_token() -> None:
    said = settings(replace(MACHINES, token="~/my keys/token"))
    for command in [*said["head_start_ray_commands"], *said["worker_start_ray_commands"]]:
        begins = "source '/a b/activate' && export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="
        assert command.startswith(f"{begins}~/'my keys/token' && ray ")


@pytest.mark.parametrize("host", ["", "a b", "me@host", "x'y", "a\nb"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(InputError, match=r"is no host\.\nGive a host's name or address\."):
        text(replace(MACHINES, workers=[host]))


def test_a_host_named_twice() -> None:
    with pytest.raises(InputError, match=r"A host is named twice\.\nGive each as --head"):
        text(replace(MACHINES, workers=["node1"]))


def test_the_command_writes_it(tmp_path: Path) -> None:
    to = tmp_path / "cluster.yaml"
    assert run(["cluster", "ray", "--head", "a", "--worker", "b", "--to", str(to)]) == 0
    said = yaml.safe_load(to.read_text())
    assert (said["provider"]["head_ip"], said["provider"]["worker_ips"]) == ("a", ["b"])
    assert to.stat().st_mode & 0o077 == 0
