"""Denormal numbers, float32 below 1.2e-38, cost a CPU a hundred times as much as others: learning takes them as zeros.

They are no rarity there. An observation entry that never changes is normalized to 0, so that nothing but weight decay
moves a critic's weights of it: they and their moments shrink step by step to the smallest numbers there are. Some
hundred of them made a pass over Goal1 up to four times as long.
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def flushed_denormals() -> Generator[None]:
    """Lets this thread's CPU read and write denormal numbers as zeros; elsewhere, as in the physics, they stay."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
