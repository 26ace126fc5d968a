"""Options that others leave without effect: published settings have some, so that they are told and not refused."""

import math
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from algorithms.parameters import (
    ADRC,
    PID,
    AdaptiveMultiplier,
    AugmentedLagrangian,
    NetworkMultiplier,
    NuPI,
    Parameters,
    PPOParameters,
    SACParameters,
)


class Inert(NamedTuple):
    """An option that changes nothing.

    Attributes:
        name: The option.
        reason: What leaves it without effect.
    """

    name: str
    reason: str


class _Rule(NamedTuple):
    """`names` are inert where `holds`, which looks at `decided_by` only."""

    names: tuple[str, ...]
    decided_by: tuple[str, ...]
    holds: Callable[[Any], bool]
    reason: str


_OMNISAFE_ONLY = ("ema_p", "ema_d", "delay", "sum_norm", "diff_norm", "penalty_max")
_SCALE = ("scale_ema", "scale_clip", "scale_init")
_SCALE_OFF = _Rule(_SCALE, ("scale_invariance",), lambda p: p.scale_invariance == "off", "`scale_invariance` is off")

_RULES: dict[type[Parameters], tuple[_Rule, ...]] = {
    AdaptiveMultiplier: (
        _Rule(
            ("limit_shape", "limit_iterations"),
            ("limit_start",),
            lambda p: p.limit_start is None,
            "without `limit_start` the limit has no schedule",
        ),
    ),
    PID: (
        _Rule(_OMNISAFE_ONLY, ("form",), lambda p: p.form == "stooke", "it belongs to `form: omnisafe`"),
        _Rule(
            ("init",),
            ("form", "warmup_iterations"),
            lambda p: p.form == "stooke" and p.warmup_iterations == 0,
            "Stooke's integral starts at 0, and the first cost moves λ",
        ),
        _Rule(
            ("penalty_max",),
            ("form", "sum_norm", "diff_norm"),
            lambda p: p.form == "omnisafe" and (p.sum_norm or p.diff_norm),
            "it caps λ only where `sum_norm` and `diff_norm` are false; `multiplier_max` always does",
        ),
        _Rule(
            ("sum_norm",),
            ("form", "diff_norm"),
            lambda p: p.form == "omnisafe" and p.diff_norm,
            "`diff_norm` caps λ at 1 whatever it says",
        ),
        _Rule(
            ("multiplier_max",),
            ("form", "diff_norm", "multiplier_max"),
            lambda p: p.form == "omnisafe" and p.diff_norm and (p.multiplier_max or 0.0) >= 1.0,
            "`diff_norm` caps λ at 1 already",
        ),
        _Rule(("ema_p",), ("form", "kp"), lambda p: p.form == "omnisafe" and p.kp == 0.0, "`kp` is 0"),
        _Rule(("ema_d", "delay"), ("form", "kd"), lambda p: p.form == "omnisafe" and p.kd == 0.0, "`kd` is 0"),
    ),
    NuPI: (_Rule(("nu",), ("kp",), lambda p: p.kp == 0.0, "`kp` is 0"),),
    ADRC: (
        _Rule(
            ("transient_rate",),
            ("transient_rate", "k_ap", "k_ad"),
            lambda p: (
                p.transient_rate > 0.0
                and math.isclose(p.transient_rate, math.sqrt(p.k_ap))
                and (p.k_ad is None or math.isclose(p.k_ad, 2.0 * math.sqrt(p.k_ap)))
            ),
            "with √k_ap and critical damping the reference cancels out of the law",
        ),
    ),
    AugmentedLagrangian: (
        _Rule(
            ("penalty_cap", "required_decrease"),
            ("penalty_growth",),
            lambda p: p.penalty_growth == 1.0,
            "with `penalty_growth` 1 the penalty does not grow",
        ),
        _Rule(
            ("penalty_growth", "required_decrease"),
            ("penalty", "penalty_cap"),
            lambda p: p.penalty == 0.0 or p.penalty >= p.penalty_cap,
            "a `penalty` of 0, or from `penalty_cap` on, does not grow",
        ),
    ),
    NetworkMultiplier: (
        _Rule(
            ("state_limit",),
            ("constraint",),
            lambda p: p.constraint != "cost_value",
            "it belongs to `constraint: cost_value`",
        ),
        _Rule(
            ("feasibility_threshold",),
            ("constraint",),
            lambda p: p.constraint != "feasibility",
            "it belongs to `constraint: feasibility`",
        ),
        _Rule(
            ("cost_threshold",),
            ("constraint",),
            lambda p: p.constraint != "reachability",
            "it belongs to `constraint: reachability`",
        ),
        _Rule(("multiplier_tau",), ("target",), lambda p: p.target == "ascent", "it belongs to `target: regression`"),
        _Rule(
            ("penalty_weight", "penalty_growth", "penalty_cap", "penalty_every", "required_decrease"),
            ("penalty", "target"),
            lambda p: p.penalty == "off" and p.target == "ascent",
            "ρ counts in the penalty and in the regression's target only",
        ),
        _Rule(
            ("penalty_cap", "penalty_every", "required_decrease"),
            ("penalty_growth",),
            lambda p: p.penalty_growth == 1.0,
            "with `penalty_growth` 1 the penalty does not grow",
        ),
    ),
    PPOParameters: (
        _SCALE_OFF,
        _Rule(
            ("scale_invariance", *_SCALE),
            ("objective", "scale_invariance"),
            lambda p: p.objective != "mixed" and p.scale_invariance != "off",
            "β weighs costs in `objective: mixed` only",
        ),
        _Rule(
            ("cost_gamma", "cost_lambda"),
            ("objective",),
            lambda p: p.objective == "penalized_reward",
            "with `objective: penalized_reward` the policy follows the reward critic alone",
        ),
    ),
    SACParameters: (
        _SCALE_OFF,
        _Rule(("alpha_lr", "target_entropy"), ("auto_alpha",), lambda p: not p.auto_alpha, "`auto_alpha` is false"),
    ),
}


def find_inert(parameters: Parameters, searched: Collection[str] = ()) -> list[Inert]:
    """Looks for options that were set, or are searched, and change nothing.

    Args:
        parameters: Hyperparameters of an update or of an algorithm.
        searched: Names that a search varies; a rule that looks at one of them is left undecided.

    Returns:
        One for each option that differs from its default or is searched, in the order of the rules.
    """
    return [*{inert.name: inert for inert in reversed(list(_find(parameters, frozenset(searched))))}.values()][::-1]


def _find(parameters: Parameters, searched: frozenset[str]) -> Iterator[Inert]:
    fields = type(parameters).model_fields
    for kind, rules in _RULES.items():
        for rule in rules if isinstance(parameters, kind) else ():
            if searched.intersection(rule.decided_by) or not rule.holds(parameters):
                continue
            for name in rule.names:
                if name in searched or getattr(parameters, name) != fields[name].default:
                    yield Inert(name, rule.reason)
