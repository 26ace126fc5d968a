"""What a multiplier update does to a sequence of costs, or to a simple plant, without training anything.

The plant is a cost that relaxes towards a value which falls with λ (our model, for a look and not for a forecast):

    J_{k+1} = J_k + r (J_0 / (1 + λ_k / h) − J_k)

It meets the limit d at λ* = h (J_0 / d − 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, TypeAdapter, ValidationError

from algorithms.fit import find_cap_misfit
from algorithms.functional.diagnostics import damping_ratio, dominant_period, total_variation
from algorithms.functional.multipliers.updates import start_multiplier, step_multiplier
from algorithms.parameters import FixedMultiplier, Parameters, ScalarMultiplier
from sweeps.errors import SpecError, suggest
from sweeps.spec.errors import error_in_value

_Previewed = Annotated[ScalarMultiplier, Field(discriminator="update")]


@dataclass(frozen=True)
class Plant:
    """A cost that answers to λ.

    Attributes:
        free_cost: J_0 > 0, the cost at λ = 0; cost units per episode.
        half_at: h > 0, the λ that halves it.
        response: r in (0, 1], the share of the gap that closes per iteration.
        noise: Standard deviation of the measured cost, ≥ 0; cost units.
        iterations: Length of the preview.
        seed: Seed of the noise.
    """

    free_cost: float = 60.0
    half_at: float = 1.0
    response: float = 0.1
    noise: float = 0.0
    iterations: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            SpecError: If a value is out of its range.
        """
        rules = {
            "free_cost > 0": self.free_cost > 0.0,
            "half_at > 0": self.half_at > 0.0,
            "0 < response <= 1": 0.0 < self.response <= 1.0,
            "noise >= 0": self.noise >= 0.0,
            "iterations >= 1": self.iterations >= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                name = next(word for word in rule.split() if word.isidentifier())
                raise SpecError(f"`{rule}` must hold, but got {getattr(self, name)}.", code="out-of-range")

    def next_cost(self, cost: float, multiplier: float) -> float:
        """Gives J_{k+1} from J_k and λ_k."""
        return cost + self.response * (self.free_cost / (1.0 + multiplier / self.half_at) - cost)


@dataclass(frozen=True)
class Curve:
    """One update's preview; each list has one entry an iteration.

    Attributes:
        label: What the figure calls it.
        parameters: The update and its hyperparameters.
        cost: J, the cost that the update was given.
        limit: The limit that held.
        multiplier: λ after the update.
        terms: P, I and D of a PID controller, by name; empty for other updates.
    """

    label: str
    parameters: Parameters
    cost: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    multiplier: list[float] = field(default_factory=list)
    terms: dict[str, list[float]] = field(default_factory=dict)

    def summary(self) -> dict[str, float]:
        """Measures of the curve: last and largest λ, last cost, share over the limit, and how λ swung."""
        over = [cost > limit for cost, limit in zip(self.cost, self.limit, strict=True)]
        return {
            "multiplier": self.multiplier[-1],
            "largest": max(self.multiplier),
            "cost": self.cost[-1],
            "violations": sum(over) / len(over),
            "total_variation": total_variation(self.multiplier),
            "period": dominant_period(self.multiplier),
            "damping": damping_ratio(self.multiplier),
        }


def checked_parameters(update: str, parameters: Mapping[str, Any] | None = None) -> Parameters:
    """Checks an update's hyperparameters; values may be text, as a command line gives them.

    Args:
        update: fixed, ga, pid, nupi, adrc or augmented_lagrangian.
        parameters: Name → value; what is left out has its default. The text `null` is null.

    Returns:
        The complete hyperparameters.

    Raises:
        SpecError: If the update or a name is unknown or a value breaks a rule.
    """
    given = {name: None if value == "null" else value for name, value in (parameters or {}).items()}
    try:
        checked = TypeAdapter(_Previewed).validate_python({**given, "update": update})
    except ValidationError as error:
        problem = error_in_value(error)
    else:
        misfit = find_cap_misfit(checked)
        if misfit is not None:
            raise SpecError(misfit.rule, code="out-of-range", path=(misfit.name,), help=misfit.help)
        return checked
    own = problem.path[1:] if problem.path[:1] == (update,) else problem.path  # without the union's member
    problem = SpecError(problem.message, code=problem.code, help=problem.help, path=own)
    if problem.code == "unknown-key" and problem.help is None:
        known = type(checked_parameters(update)).model_fields
        problem.help = suggest(str(problem.path[-1]), set(known) - {"update"})
    raise problem


def preview_curve(
    parameters: Parameters, cost_limit: float, costs: Sequence[float] | None = None, *, plant: Plant, label: str = ""
) -> Curve:
    """Runs one update over costs, or against the plant.

    Args:
        parameters: The update and its hyperparameters.
        cost_limit: d ≥ 0; cost units per episode.
        costs: J of each iteration; None closes the loop over the plant.
        plant: The plant.
        label: What the figure calls it.

    Returns:
        The curve.

    Raises:
        SpecError: If there is no cost, or one is not finite, or the limit is negative or not finite.
    """
    _check_costs(cost_limit, costs)
    update, hyperparameters = str(getattr(parameters, "update")), parameters.model_dump(exclude={"update"})  # noqa: B009
    noise = torch.randn(plant.iterations, generator=torch.Generator().manual_seed(plant.seed), dtype=torch.float64)
    state = start_multiplier(update, (1, 1), hyperparameters, dtype=torch.float64)
    curve = Curve(label or update, parameters)
    plant_cost = plant.free_cost
    for k in range(plant.iterations if costs is None else len(costs)):
        cost = max(0.0, plant_cost + plant.noise * noise[k].item()) if costs is None else float(costs[k])
        state = step_multiplier(
            update, state, torch.full((1, 1), cost, dtype=torch.float64), cost_limit, hyperparameters
        )
        plant_cost = plant.next_cost(plant_cost, state.multiplier.item())
        curve.cost.append(cost)
        curve.limit.append(state.limit.item())
        curve.multiplier.append(state.multiplier.item())
        for name in ("p", "i", "d"):
            if hasattr(state.rule, name):
                curve.terms.setdefault(name, []).append(getattr(state.rule, name).item())
    return curve


def preview(
    update: str,
    parameters: Mapping[str, Any] | None = None,
    costs: Sequence[float] | None = None,
    cost_limit: float = 25.0,
    *,
    plant: Plant | None = None,
    figure: Path | str | None = None,
) -> dict[str, list[float]]:
    """Gives λ over iterations for a sequence of costs, or for a simple plant that answers to λ; nothing is trained.

    Args:
        update: fixed, ga, pid, nupi, adrc or augmented_lagrangian.
        parameters: Hyperparameters by name; what is left out has its default.
        costs: J of each iteration; None closes the loop over the plant.
        cost_limit: d ≥ 0; cost units per episode.
        plant: The plant; None is its default.
        figure: Where to draw it too, by the format that its name ends with.

    Returns:
        `multiplier`, `cost` and `limit`, one value an iteration; for pid `p`, `i` and `d` too.

    Raises:
        SpecError: If the update or a name is unknown or a value breaks a rule.

    Examples:
        >>> preview("ga", {"dual_optimizer": "sgd", "lr": 0.1, "init": 0.0}, costs=[35.0, 30.0])["multiplier"]
        [1.0, 1.5]
    """
    checked = checked_parameters(update, parameters)
    curve = preview_curve(checked, cost_limit, costs, plant=plant or Plant(), label=curve_label(checked))
    if figure is not None:
        from sweeps.previewing.figure import draw  # Matplotlib takes a second to import

        draw([curve], figure)
    return {"multiplier": curve.multiplier, "cost": curve.cost, "limit": curve.limit, **curve.terms}


def _check_costs(cost_limit: float, costs: Sequence[float] | None) -> None:
    if not 0.0 <= cost_limit < float("inf"):
        raise SpecError(f"`0 <= cost_limit` and finite must hold, but got {cost_limit}.", code="out-of-range")
    if costs is None:
        return
    if not len(costs):
        raise SpecError("`costs` must not be empty.", code="out-of-range", help="give one cost an iteration: 60,55,48")
    for index, cost in enumerate(costs):
        if not 0.0 <= cost < float("inf"):
            message = f"a cost must be `>= 0` and finite, but got {cost} at position {index + 1}."
            raise SpecError(message, code="out-of-range")


def default_plant(cost_limit: float) -> Plant:
    """A plant whose constraint binds: its free cost is 2.4 times the limit (60 for 25), so that λ* = 1.4."""
    return Plant(free_cost=2.4 * cost_limit if cost_limit > 0.0 else 60.0)


def curve_label(parameters: Parameters) -> str:
    """Names an update by what differs from its defaults: `pid kp=0.2`."""
    shown = parameters.model_dump(exclude_defaults=True, exclude={"update"})
    if isinstance(parameters, FixedMultiplier):
        shown = {"λ": parameters.multiplier}
    return " ".join([str(getattr(parameters, "update")), *(f"{name}={value}" for name, value in shown.items())])  # noqa: B009
