"""How many executions Ray has room for, now and once its autoscaler has started what it may start."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import ray
from ray._private.state import state

from sweeps.errors import SweepError

MOST_CONCURRENT = 1000
"""Executions at once, also where a cluster may grow without bound."""

_FRESH_S = 5.0


@dataclass
class Capacity:
    """Room for executions. Nodes come and go, so it is asked again and again; Ray is asked every few seconds.

    Attributes:
        cpus: CPU cores of one execution.
        gpus: GPUs of one execution; a fraction shares one.
        max_concurrent: Executions at once, at most; None: as many as fit.
    """

    cpus: float
    gpus: float
    max_concurrent: int | None = None
    _known: int = 0
    _asked_at: float | None = None

    def num_concurrent(self) -> int:
        """Executions that may be handed out at once.

        At least one: while no node is there, it waits inside Tune, and makes an autoscaler start a node.
        """
        now = time.monotonic()
        if self._asked_at is None or now - self._asked_at > _FRESH_S:
            self._known, self._asked_at = self._num_fitting(), now
        most = MOST_CONCURRENT if self.max_concurrent is None else self.max_concurrent
        return max(1, min(self._known, most))

    def check(self) -> None:
        """Checks that Ray has room for one execution, or may get it.

        Raises:
            SweepError: If it has not.
        """
        if self._num_fitting() >= 1:
            return
        shapes = sorted({_describe(resources, self._wanted()) for resources, _ in _nodes()})
        raise SweepError(
            f"`a trial fits on a node` must hold, but a trial takes {_describe(self._wanted(), self._wanted())} and "
            f"the nodes have {'; '.join(shapes) or 'nothing'}.",
            code="no-resources",
            help="lower --cpus-per-trial or --gpus-per-trial",
        )

    def _wanted(self) -> dict[str, float]:
        return {name: amount for name, amount in (("CPU", self.cpus), ("GPU", self.gpus)) if amount > 0.0}

    def _num_fitting(self) -> int:
        wanted = self._wanted()
        return sum(count * _num_on_node(resources, wanted) for resources, count in _nodes())


def _num_on_node(resources: Mapping[str, float], wanted: Mapping[str, float]) -> int:
    """Executions that fit on one node; each lives in one process, so that none is spread over several."""
    return min(int(resources.get(name, 0.0) / amount + 1e-9) for name, amount in wanted.items())


def _nodes() -> list[tuple[dict[str, float], int]]:
    """Resources of each kind of node and how many there are; what an autoscaler may start, where it may be more."""
    there: list[tuple[dict[str, float], int]] = [(node["Resources"], 1) for node in ray.nodes() if node["Alive"]]
    config = state.get_cluster_config()
    groups = [] if config is None else config.node_group_configs
    possible = [
        (dict(group.resources), MOST_CONCURRENT if group.max_count < 0 else group.max_count) for group in groups
    ]
    return there if sum(count for _, count in possible) < len(there) else possible


def _describe(resources: Mapping[str, float], wanted: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {resources.get(name, 0.0):g}" for name in wanted)
