"""What a trial takes of the machines that it runs on."""

import math
from dataclasses import dataclass

from sweeps.errors import SpecError


@dataclass(frozen=True)
class Resources:
    """What one execution takes, and how many run at once.

    Attributes:
        cpus: CPU cores.
        gpus: GPUs, at most 1: a trial computes on one. A fraction shares it.
        max_concurrent: At most so many at once, or None: as many as fit.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    max_concurrent: int | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            SpecError: If one is out of range.
        """
        if not 0.0 < self.cpus < math.inf:
            raise SpecError(f"`cpus_per_trial > 0` must hold, and be finite, but got {self.cpus}.", code="usage")
        if not 0.0 <= self.gpus <= 1.0:
            raise SpecError(
                f"`0 <= gpus_per_trial <= 1` must hold, since a trial computes on one GPU, but got {self.gpus}.",
                code="usage",
                help="a fraction shares a GPU among trials; all seeds of a trial, and of a pack of them, train on one",
            )
        if self.max_concurrent is not None and self.max_concurrent < 1:
            raise SpecError(f"`max_concurrent >= 1` must hold, but got {self.max_concurrent}.", code="usage")
