"""Kubernetes manifests: pods by the schemas of Kubernetes, KubeRay's resources by models of the fields used."""

import copy
from typing import Any

import kubernetes_validate
import pytest
import ray
import yaml
from pydantic import BaseModel, ValidationError

from tests.deployment.kuberay import RayCluster, RayClusterSpec, RayJob
from tests.deployment.places import CLUSTER

FOLDER = CLUSTER / "kubernetes"
VERSION = kubernetes_validate.latest_version()
PLAIN = ("settings", "storage", "network-policy")
CUSTOM = {"raycluster": RayCluster, "rayjob": RayJob}


def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()))


def only(name: str) -> dict[str, Any]:
    (document,) = read(name)
    return document


def cluster_of(name: str) -> RayClusterSpec:
    parsed: BaseModel = CUSTOM[name].model_validate(only(name))
    return parsed.spec if isinstance(parsed, RayCluster) else parsed.spec.rayClusterSpec


def templates(name: str) -> list[dict[str, Any]]:
    """Every pod template of a custom resource."""
    cluster = cluster_of(name)
    found = [cluster.headGroupSpec.template, *(group.template for group in cluster.workerGroupSpecs)]
    spec = only(name)["spec"]
    return [*found, spec["submitterPodTemplate"]] if "submitterPodTemplate" in spec else found


def pod(template: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "pod", **template["metadata"]}}


ALL_TEMPLATES = [(name, index) for name in CUSTOM for index in range(len(templates(name)))]


@pytest.mark.parametrize("name", PLAIN)
def test_kubernetes_knows_every_field(name):
    for document in read(name):
        kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize(("name", "index"), ALL_TEMPLATES)
def test_kubernetes_knows_every_field_of_a_pod(name, index):
    kubernetes_validate.validate(pod(templates(name)[index]), VERSION, strict=True)


def test_a_misspelt_field_of_a_pod_is_refused():
    broken = pod(copy.deepcopy(templates("raycluster")[0]))
    broken["spec"]["containers"][0]["livenesProbe"] = broken["spec"]["containers"][0].pop("livenessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(broken, VERSION, strict=True)


@pytest.mark.parametrize(
    ("name", "field", "wrong", "said"),
    [
        ("rayjob", ("spec", "backofLimit"), 3, "backofLimit"),
        ("raycluster", ("spec", "authOptions", "mode"), "disabled", "mode"),
        ("raycluster", ("spec", "headGroupSpec", "rayStartParams", "num_cpus"), "0", "num_cpus"),
        ("raycluster", ("spec", "headGroupSpec", "rayStartParams", "num-cpus"), 0, "num-cpus"),
        ("raycluster", ("spec", "workerGroupSpecs", 0, "replicas"), 5, "minReplicas"),
    ],
)
def test_a_wrong_field_of_kuberay_is_refused(name, field, wrong, said):
    document = only(name)
    *parents, last = field
    place = document
    for key in parents:
        place = place[key]
    place[last] = wrong
    with pytest.raises(ValidationError, match=said):
        CUSTOM[name].model_validate(document)


@pytest.mark.parametrize(("name", "index"), ALL_TEMPLATES)
def test_a_pod_is_locked_down(name, index):
    spec = templates(name)[index]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        security = container["securityContext"]
        assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "env" not in container  # settings are one ConfigMap's, secrets one Secret's
        image, _, tag = container["image"].rpartition(":")
        assert image == "registry.example.org/lagsweep"
        assert tag.startswith("0.1.0-")


@pytest.mark.parametrize("name", list(CUSTOM))
def test_ray_pods_have_probes_volumes_and_the_same_version(name):
    cluster = cluster_of(name)
    assert cluster.rayVersion == ray.__version__
    for group in (cluster.headGroupSpec, *cluster.workerGroupSpecs):
        (container,) = group.template["spec"]["containers"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        volumes = {volume["name"] for volume in group.template["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        memory = next(v for v in group.template["spec"]["volumes"] if v["name"] == "shared-memory")["emptyDir"]
        assert memory == {"medium": "Memory", "sizeLimit": "512Mi"}
        assert int(group.rayStartParams["object-store-memory"]) < 512 * 2**20
        sources = [next(iter(source.values()))["name"] for source in container["envFrom"]]
        assert sources == [only("settings")["metadata"]["name"], "lagsweep-secrets"]
    assert cluster.headGroupSpec.rayStartParams["num-cpus"] == "0"


def test_groups_on_spot_nodes_tolerate_their_taint_and_gpus_are_asked_for():
    groups = {group.groupName: group for group in cluster_of("raycluster").workerGroupSpecs}
    assert set(groups) == {"cpu", "cpu-spot", "gpu-spot"}
    for name, group in groups.items():
        spec = group.template["spec"]
        keys = {toleration["key"] for toleration in spec.get("tolerations", [])}
        assert ("lagsweep/spot" in keys) == name.endswith("-spot")
        assert (spec.get("nodeSelector") == {"lagsweep/spot": "true"}) == name.endswith("-spot")
        limits = spec["containers"][0]["resources"]["limits"]
        assert (limits.get("nvidia.com/gpu") == "1") == (name == "gpu-spot")
    scaler = cluster_of("raycluster").autoscalerOptions
    assert cluster_of("raycluster").enableInTreeAutoscaling
    assert scaler is not None
    assert scaler.envFrom == [{"configMapRef": {"name": "lagsweep"}}]  # its metrics too are switched off


def test_network_policies_choose_the_pods_and_open_the_head_only_to_clients():
    everywhere, head = read("network-policy")
    chosen = everywhere["spec"]["podSelector"]["matchLabels"]
    for name in CUSTOM:
        for template in templates(name):
            assert chosen.items() <= template["metadata"]["labels"].items()
    assert set(everywhere["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    (inside,) = everywhere["spec"]["ingress"]
    assert inside["from"] == [{"podSelector": {"matchLabels": chosen}}]
    (clients,) = head["spec"]["ingress"]
    assert clients["ports"] == [{"protocol": "TCP", "port": 8265}]
    assert all(peer != {} for peer in clients["from"])


def test_kustomize_lists_files_that_are_there():
    listed = only("kustomization")["resources"]
    assert set(listed) == {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml", "rayjob.yaml"}
