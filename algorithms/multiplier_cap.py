"""The cap that λ meets in fact, which options other than `multiplier_max` may set."""

import math
from typing import NamedTuple

from algorithms.parameters import PID, Parameters


class Cap(NamedTuple):
    """The smallest of λ's caps.

    Attributes:
        value: λ does not pass it; None is no cap.
        remedy: How to lift it.
    """

    value: float | None
    remedy: str


def cap_of(parameters: Parameters) -> Cap:
    """Finds the cap of an update.

    Args:
        parameters: Its hyperparameters.

    Returns:
        The cap. Of OmniSafe's PID form `diff_norm` is one at 1, and without either norm `penalty_max` is one.
    """
    own: float | None = parameters.model_dump().get("multiplier_max")
    caps = {"raise multiplier_max": math.inf if own is None else own}
    if isinstance(parameters, PID) and parameters.form == "omnisafe":
        if parameters.diff_norm:
            caps["set diff_norm to false"] = 1.0
        elif not parameters.sum_norm:
            caps["raise penalty_max"] = parameters.penalty_max
    remedy = min(caps, key=lambda name: caps[name])
    return Cap(None if math.isinf(caps[remedy]) else caps[remedy], remedy)
