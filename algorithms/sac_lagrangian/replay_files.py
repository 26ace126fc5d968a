"""Replay buffers on disk: blocks of steps, of which each is written once.

Block b holds the steps b·B … (b + 1)·B − 1 of every environment, counted from the first ever. A full block never
changes: a checkpoint links it from a folder of the run's own and writes only the blocks that are new and the one that
is not yet full. Blocks whose steps the buffer has dropped are left out.
"""

import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from algorithms.sac_lagrangian.replay import ReplayBuffer

BLOCK_BYTES = 4 * 2**20
"""What a checkpoint writes anew at most beside the steps added since the last one."""

_HEAD = "head.safetensors"


class ReplayFiles:
    """Writes a buffer into checkpoint folders.

    Args:
        folder: Where full blocks are kept between checkpoints; on another file system than a checkpoint's they are
            copied instead of linked.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, buffer: ReplayBuffer, target: Path) -> None:
        """Writes the buffer.

        Args:
            buffer: The buffer.
            target: A folder to make.
        """
        target.mkdir(parents=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        size = steps_per_block(buffer.bytes_per_step)
        first, end = buffer.num_steps - len(buffer), buffer.num_steps
        names: set[str] = set()
        for block in range(first // size, -(-end // size)):
            name = f"block-{block:08d}.safetensors"
            names.add(name)
            start, stop = max(block * size, first), min((block + 1) * size, end)
            kept = self._folder / name
            if not kept.exists():
                is_full = stop - start == size
                save_file(buffer.rows(start, stop), kept if is_full else target / name)
            if kept.exists():
                _link(kept, target / name)
        for kept in self._folder.iterdir():
            if kept.name not in names:
                kept.unlink()
        head = {"num_steps": torch.tensor(end), "observations": buffer.newest_observations.clone()}
        save_file(head, target / _HEAD)

    def load(self, buffer: ReplayBuffer, source: Path) -> None:
        """Fills a buffer of the same sizes.

        Args:
            buffer: The buffer; what it holds is replaced.
            source: A folder that `save` wrote.
        """
        self.clear()
        self._folder.mkdir(parents=True)
        head = load_file(source / _HEAD)
        buffer.clear(int(head["num_steps"]))
        size = steps_per_block(buffer.bytes_per_step)
        for path in sorted(source.glob("block-*.safetensors")):
            rows = load_file(path)
            buffer.put_rows(rows)
            if len(rows["rewards"]) == size:
                _link(path, self._folder / path.name)
        buffer.newest_observations.copy_(head["observations"])

    def clear(self) -> None:
        """Removes the blocks kept between checkpoints."""
        shutil.rmtree(self._folder, ignore_errors=True)


def steps_per_block(bytes_per_step: int) -> int:
    """Steps of every environment in a block.

    Args:
        bytes_per_step: Bytes of one step of all seeds and environments.

    Returns:
        At least one.
    """
    return max(BLOCK_BYTES // bytes_per_step, 1)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
