"""The image and the stack on one machine, checked without a container engine."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.places import DOCKER, ROOT, run

COMPOSE = DOCKER / "compose.yaml"


def test_hadolint_finds_nothing():
    checked = run("hadolint", "--failure-threshold", "style", DOCKER / "Dockerfile")
    assert checked.returncode == 0, checked.stdout


def test_hadolint_would_find_something(tmp_path):
    broken = tmp_path / "Dockerfile"
    broken.write_text((DOCKER / "Dockerfile").read_text().replace("WORKDIR /opt", "WORKDIR opt"))
    assert run("hadolint", broken).returncode == 1


def instructions() -> list[str]:
    text = re.sub(r"(?m)^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text())
    return re.sub(r"\\\n\s*", "", text).splitlines()


def test_image_runs_as_a_user_who_may_change_nothing_of_it():
    (user,) = [line for line in instructions() if line.startswith("USER ")]
    assert user == "USER 1000:1000"
    copied = [line for line in instructions() if line.startswith("COPY ")]
    assert copied
    assert not [line for line in copied if "--chown" in line]


def test_image_has_what_the_cluster_launcher_calls_in_it():
    installed = [line for line in instructions() if "apt-get install" in line][-1].partition("&& rm")[0].split()
    assert {"openssh-client", "rsync"} <= set(installed)


def test_everything_that_is_copied_is_there_and_let_into_the_build():
    allowed = re.findall(r"(?m)^!(.*)$", (DOCKER / "Dockerfile.dockerignore").read_text())
    for line in instructions():
        if not line.startswith("COPY ") or "--from=build" in line:
            continue
        *sources, _ = line.split()[1:]
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(Path(source).match(pattern) for pattern in allowed), source
    assert "docker/secrets" not in allowed
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= set(allowed)


def config(*options: str, **environment: str) -> dict[str, Any]:
    """What Docker Compose makes of the file; it refuses unknown keys and missing variables."""
    made = run("docker-compose", "--file", COMPOSE, *options, "config", "--format", "json", **environment)
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def test_compose_accepts_the_file_without_any_setting():
    services = config()["services"]
    assert set(services) == {"postgres", "objects", "bucket", "mlflow", "head", "worker"}
    assert services["worker"]["deploy"]["replicas"] == 2


def test_compose_refuses_a_key_that_it_does_not_know(tmp_path):
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE.read_text().replace("healthcheck:", "helthcheck:", 1))
    made = run("docker-compose", "--file", broken, "config", "--quiet")
    assert made.returncode != 0
    assert "helthcheck" in made.stderr


def test_example_settings_are_the_defaults_and_each_is_used():
    given = dict(re.findall(r"(?m)^(LAGSWEEP_\w+)=(.*)$", (DOCKER / ".env.example").read_text()))
    used = dict(re.findall(r"\$\{(LAGSWEEP_\w+):-([^}]*)\}", COMPOSE.read_text()))
    assert given == used
    assert config(**given) == config()
    assert config(LAGSWEEP_WORKERS="7")["services"]["worker"]["deploy"]["replicas"] == 7


def test_only_the_jobs_api_and_mlflow_are_published_and_on_loopback():
    ports = {
        name: [(port["host_ip"], port["target"]) for port in service["ports"]]
        for name, service in config()["services"].items()
        if "ports" in service
    }
    assert ports == {"head": [("127.0.0.1", 8265)], "mlflow": [("127.0.0.1", 5000)]}


def test_secrets_are_files_that_the_script_writes_and_stand_nowhere_else(tmp_path):
    made = run("docker-compose", "--file", COMPOSE, "config", "--format", "json")
    wanted = {Path(secret["file"]).name for secret in json.loads(made.stdout)["secrets"].values()}
    written = run("/usr/bin/env", "bash", DOCKER / "make-secrets.sh", tmp_path / "secrets")
    assert written.returncode == 0, written.stderr
    files = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert set(files) == wanted
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    before = {name: path.read_text() for name, path in files.items()}
    assert len(set(before.values())) == len(before)
    assert all(len(text) >= 32 for text in before.values())
    assert re.search(r"aws_secret_access_key = (\S+)", before["s3_credentials"])[1] in before["s3_identities.json"]
    json.loads(before["s3_identities.json"])
    run("/usr/bin/env", "bash", DOCKER / "make-secrets.sh", tmp_path / "secrets")
    assert {name: path.read_text() for name, path in files.items()} == before  # a second call changes none
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"docker/secrets/", "docker/.env"} <= set(ignored)


def test_every_part_is_locked_down_watched_and_pinned():
    stack = config()
    for name, service in stack["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert re.fullmatch(r"[^:]+:[0-9][^:]*", service["image"]), name
        assert not service.get("privileged"), name
        if name not in {"bucket", "worker"}:  # one ends, the other has the image's own
            assert service["healthcheck"]["test"], name
        if service["image"].startswith("lagsweep:"):
            assert service["cap_drop"] == ["ALL"], name
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or value.startswith("/run/secrets/"), name
            assert not re.search(r"//[^/@]+:[^/@]+@", str(value)), name  # no password in an address
    assert [line for line in instructions() if line.startswith("HEALTHCHECK ")]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert stack["services"]["head"]["image"] == f"lagsweep:{version}-cpu"


def test_scripts_that_containers_mount_or_run_are_there():
    stack = yaml.safe_load(COMPOSE.read_text())["services"]
    (mounted,) = [volume for volume in stack["postgres"]["volumes"] if volume.startswith("./")]
    assert (DOCKER / mounted.split(":")[0]).stat().st_mode & 0o111
    entry = (DOCKER / "entrypoint.sh").read_text()
    for name in ("bucket", "mlflow", "head", "worker"):
        assert stack[name]["command"][0] == name
        assert re.search(rf"(?m)^  {name}\)$", entry)


def test_gpu_file_gives_one_worker_all_gpus():
    worker = config("--file", str(DOCKER / "compose.gpu.yaml"), LAGSWEEP_WORKERS="3")["services"]["worker"]["deploy"]
    (device,) = worker["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"]) == ("nvidia", -1)  # all
    assert worker["replicas"] == 1  # two would train on the same GPUs without knowing of one another


def test_nobody_outside_of_the_project_reaches_the_object_store():
    stack = config()
    assert "ports" not in stack["services"]["objects"]
    assert set(stack["services"]["objects"]["networks"]) == set(stack["networks"]) == {"default"}
    assert not stack["networks"]["default"].get("external")


@pytest.mark.parametrize("build", ["", "gpu"])
def test_install_script_wants_cpu_or_cuda(build):
    said = run("/usr/bin/env", "bash", DOCKER / "install.sh", *([build] if build else []))
    assert said.returncode != 0
    assert "must be cpu or cuda" in said.stderr
