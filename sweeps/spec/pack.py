"""Which studies may train several trials in one process."""

from collections.abc import Mapping

from sweeps.errors import SpecError
from sweeps.spec.limits import Budget
from sweeps.spec.run import AlgorithmName, AlgorithmParameters, Arm
from sweeps.spec.search import GridSearch


def check_pack(
    algorithm: AlgorithmName, arms: Mapping[str, Arm], parameters: AlgorithmParameters, budget: Budget | None
) -> None:
    """Refuses a `pack` that could never, or not always, be filled, or that a budget cannot count.

    Args:
        algorithm: The study's algorithm.
        arms: Its arms, complete.
        parameters: Its hyperparameters.
        budget: Its budget, or None.

    Raises:
        SpecError: Says what stands against it.
    """
    if algorithm != "ppo_lagrangian":
        message = f"`pack` needs `algorithm: ppo_lagrangian`, but got {algorithm}."
        raise SpecError(message, code="out-of-range", path=("pack",), help="drop `pack`")
    for name, arm in arms.items():
        _check_arm(name, arm, parameters)
    if budget is not None and budget.gpu_hours is not None:
        message = "`budget.gpu_hours` counts the GPUs of every trial, which the trials of a pack share."
        raise SpecError(
            message, code="out-of-range", path=("budget", "gpu_hours"), help="use wall_time, or drop `pack`"
        )


def _check_arm(name: str, arm: Arm, parameters: AlgorithmParameters) -> None:
    search = arm.search
    if search is None:
        return
    if not isinstance(search, GridSearch):
        message = f"`pack` needs trials that are known before any has run, but arm {name!r} searches by {search.kind}."
        raise SpecError(message, code="out-of-range", path=("pack",), help="use `search: {kind: grid}`, or drop `pack`")
    shared = [axis for axis in search.axes if axis in type(parameters).model_fields]
    if shared:
        message = f"`pack` needs trials that differ in their multiplier only, but arm {name!r} varies {shared[0]}."
        raise SpecError(message, code="out-of-range", path=("pack",), help="drop that axis, or `pack`")
