"""How a study stands."""

from dataclasses import dataclass

from sweeps.ledger import Holder
from sweeps.records import State, Trial


@dataclass(frozen=True)
class Status:
    """How a study stands.

    Attributes:
        name: Its name.
        counts: Trials by state; those that are still to be suggested count as waiting.
        env_steps: Env steps done, over all trials and seeds.
        env_steps_total: Env steps of the whole study: those of seeds that have ended, and the budgets of the others.
        holder: The driver that runs it, or None; one that was killed elsewhere stays until its lease runs out.
        best: The best feasible trial so far, or None.
        kills: Attempts that were killed, with their driver or their worker, and had to be made again.
        lost_s: Seconds of training that they lost: what lay behind their last checkpoint.
    """

    name: str
    counts: dict[State, int]
    env_steps: int
    env_steps_total: int
    holder: Holder | None
    best: Trial | None
    kills: int = 0
    lost_s: float = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether nothing waits or runs."""
        return not (self.counts[State.WAITING] or self.counts[State.RUNNING])
