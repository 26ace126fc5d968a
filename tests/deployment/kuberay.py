"""The fields of KubeRay's custom resources that our manifests use; any other one is refused.

Ours, written after the documentation of KubeRay 1.6 and 1.7. Pod templates inside are not described here: the schemas
of Kubernetes check them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,40}[a-z0-9])?$")]
"""A DNS label; short, since the operator appends to it."""

StartParameters = dict[
    Literal["num-cpus", "dashboard-host", "object-store-memory"], Annotated[str, Field(pattern=r"^[0-9.]+$")]
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Metadata(Strict):
    name: Name
    labels: dict[str, str] = {}


class AuthOptions(Strict):
    mode: Literal["token"]
    secretName: Name  # noqa: N815 - the resource's word


class AutoscalerOptions(Strict):
    version: Literal["v1", "v2"]
    upscalingMode: Literal["Default", "Aggressive", "Conservative"]  # noqa: N815
    idleTimeoutSeconds: PositiveInt  # noqa: N815
    imagePullPolicy: Literal["IfNotPresent", "Always"]  # noqa: N815
    envFrom: list[dict[Literal["configMapRef", "secretRef"], dict[Literal["name"], Name]]]  # noqa: N815
    resources: dict[Literal["requests", "limits"], dict[str, str]]
    securityContext: dict[str, Any]  # noqa: N815 - the containers' own, checked there


class HeadGroup(Strict):
    rayStartParams: StartParameters  # noqa: N815
    template: dict[str, Any]


class WorkerGroup(HeadGroup):
    groupName: Name  # noqa: N815
    replicas: Annotated[int, Field(ge=0)]
    minReplicas: Annotated[int, Field(ge=0)]  # noqa: N815
    maxReplicas: PositiveInt  # noqa: N815

    @model_validator(mode="after")
    def check_replicas(self) -> "WorkerGroup":
        if not self.minReplicas <= self.replicas <= self.maxReplicas:
            raise ValueError("`minReplicas <= replicas <= maxReplicas` must hold")
        return self


class RayClusterSpec(Strict):
    rayVersion: str  # noqa: N815
    authOptions: AuthOptions  # noqa: N815
    enableInTreeAutoscaling: bool = False  # noqa: N815
    autoscalerOptions: AutoscalerOptions | None = None  # noqa: N815
    headGroupSpec: HeadGroup  # noqa: N815
    workerGroupSpecs: Annotated[list[WorkerGroup], Field(min_length=1)]  # noqa: N815


class RayCluster(Strict):
    apiVersion: Literal["ray.io/v1"]  # noqa: N815
    kind: Literal["RayCluster"]
    metadata: Metadata
    spec: RayClusterSpec


class RayJobSpec(Strict):
    entrypoint: str
    submissionMode: Literal["K8sJobMode", "HTTPMode", "SidecarMode"]  # noqa: N815
    backoffLimit: Annotated[int, Field(ge=0)]  # noqa: N815
    preRunningDeadlineSeconds: PositiveInt  # noqa: N815
    shutdownAfterJobFinishes: Literal[True]  # noqa: N815
    ttlSecondsAfterFinished: Annotated[int, Field(ge=0)]  # noqa: N815
    submitterPodTemplate: dict[str, Any]  # noqa: N815
    rayClusterSpec: RayClusterSpec  # noqa: N815


class RayJob(Strict):
    apiVersion: Literal["ray.io/v1"]  # noqa: N815
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: RayJobSpec
