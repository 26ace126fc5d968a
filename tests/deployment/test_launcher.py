"""Files of Ray's cluster launcher, checked by Ray's own code; no cloud is asked."""

import shlex
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import start

from tests.deployment.places import CLUSTER

FILES = ("aws", "local")


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", FILES)
def test_ray_accepts_it(name):
    prepared = prepare_config(read(name))
    validate_config(prepared)
    assert prepared["provider"]["type"] == name
    assert prepared["max_workers"] == read(name)["max_workers"]


def test_ray_refuses_a_key_that_it_does_not_know():
    config = read("aws")
    config["idle_timeout_minute"] = 5
    with pytest.raises(Exception, match="idle_timeout_minute"):
        validate_config(prepare_config(config))


@pytest.mark.parametrize("name", FILES)
def test_every_node_asks_for_the_token_and_the_dashboard_stays_on_loopback(name):
    config = read(name)
    for role in ("head", "worker"):
        commands = " ".join(config[f"{role}_start_ray_commands"])
        options = commands + " ".join(config.get("docker", {}).get("run_options", []))
        assert "RAY_AUTH_MODE=token" in options
        assert "RAY_AUTH_TOKEN_PATH=" in options
        assert "0.0.0.0" not in options
        assert "RAY_enable_metrics_collection=0" in options
    assert "--dashboard-host=127.0.0.1" in " ".join(config["head_start_ray_commands"])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_start_knows_every_option(name, role):
    *_, last = read(name)[f"{role}_start_ray_commands"]
    words = shlex.split(last[last.index("ray start") :])[2:]
    known = {option for parameter in start.params for option in parameter.opts}
    assert words
    assert {word.partition("=")[0] for word in words} <= known


def test_spot_nodes_run_trials_and_the_head_runs_none():
    types = read("aws")["available_node_types"]
    spot = {name for name, node in types.items() if "InstanceMarketOptions" in node["node_config"]}
    assert spot == {"cpu-spot", "gpu-spot"}
    assert types["head"]["resources"] == {"CPU": 0}
    assert types["gpu-spot"]["resources"]["GPU"] == 1
    assert all(node["node_config"]["MetadataOptions"]["HttpTokens"] == "required" for node in types.values())


def test_nodes_are_in_a_security_group_of_the_users_own():
    config = read("aws")
    assert "security_group" not in config["provider"]  # Ray adds SSH from everywhere to the group that it makes
    for node in config["available_node_types"].values():
        assert [name.startswith("sg-") for name in node["node_config"]["SecurityGroupIds"]] == [True]


def test_gpu_nodes_give_their_container_the_gpus():
    types = read("aws")["available_node_types"]
    assert types["gpu-spot"]["docker"]["worker_run_options"] == ["--gpus all"]


def test_secrets_of_this_tree_stay_here_and_idle_machines_are_let_go():
    config = read("local")
    assert {".env", "docker/secrets"} <= set(config["rsync_exclude"])
    assert prepare_config(config)["available_node_types"]["local.cluster.node"]["min_workers"] == 0
