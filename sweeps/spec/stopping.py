"""Which studies may stop trials and seeds early."""

from collections.abc import Mapping

from sweeps.errors import SpecError
from sweeps.spec.limits import Stopping
from sweeps.spec.run import AlgorithmName, Arm
from sweeps.spec.search import OptunaSearch


def check_stopping(stopping: Stopping, algorithm: AlgorithmName, arms: Mapping[str, Arm], pack: int | None) -> None:
    """Refuses a `stopping` that would end what the study looks for, or that its algorithm cannot follow.

    Args:
        stopping: The rule.
        algorithm: The study's algorithm.
        arms: Its arms.
        pack: How many trials train in one process, or None.

    Raises:
        SpecError: Says what stands against it.
    """
    for name, arm in arms.items():
        if isinstance(arm.search, OptunaSearch) and "return" not in arm.search.objectives:
            raise SpecError(
                "`stopping` compares trials by their return, which must be among the `objectives`, but arm "
                f"{name!r} searches for {', '.join(arm.search.objectives)}.",
                code="out-of-range",
                path=("stopping",),
                help="add `return: maximize`, or drop `stopping`",
            )
    if stopping.seeds and algorithm != "ppo_lagrangian":
        raise SpecError(
            f"`stopping.seeds` needs ppo_lagrangian, but got {algorithm}, whose seeds share every call.",
            code="out-of-range",
            path=("stopping", "seeds"),
            help="drop it: whole trials are still stopped",
        )
    if stopping.seeds and pack is not None:
        raise SpecError(
            "`stopping.seeds` and `pack` exclude each other.",
            code="out-of-range",
            path=("stopping", "seeds"),
            help="drop one of them",
        )
