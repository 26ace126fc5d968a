"""What a trial takes of the machines that it runs on."""

from dataclasses import dataclass


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
            ValueError: If one is out of range.
        """
        if not self.cpus > 0.0:
            raise ValueError(f"`cpus_per_trial > 0` must hold, but got {self.cpus}.")
        if not 0.0 <= self.gpus <= 1.0:
            raise ValueError(
                f"`0 <= gpus_per_trial <= 1` must hold, since a trial computes on one GPU, but got {self.gpus}; "
                "several seeds or configurations (pack) share it."
            )
        if self.max_concurrent is not None and self.max_concurrent < 1:
            raise ValueError(f"`max_concurrent >= 1` must hold, but got {self.max_concurrent}.")
