"""The replay buffers of S seeds: the newest transitions, each observation stored once.

Axes: T steps, S seeds, E environments a seed, O and A entries of an observation and an action, m costs, N rows of a
batch, C steps that fit into the buffer.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algorithms.rollout import Episodes


class Transitions(NamedTuple):
    """T steps of S · E environments, one after the other.

    Attributes:
        observations: `[T + 1, S, E, O]` float32; row T is what the next action will be chosen from.
        actions: `[T, S, E, A]` float32 in [−1, 1].
        rewards: `[T, S, E]` float32.
        costs: `[T, S, E, m]` float32.
        terminated: `[T, S, E]` bool.
        truncated: `[T, S, E]` bool, never where terminated.
        ended_at: `[3, n]` int64; step, seed and environment of every episode's end.
        last_observations: `[n, O]` float32; the last observation of those episodes.
        episodes: The episodes that ended.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    costs: Tensor
    terminated: Tensor
    truncated: Tensor
    ended_at: NDArray[np.int64]
    last_observations: NDArray[np.float32]
    episodes: Episodes


class Batch(NamedTuple):
    """N transitions of each seed.

    Attributes:
        observations: `[S, N, O]` float32.
        actions: `[S, N, A]` float32.
        rewards: `[S, N]` float32.
        costs: `[S, N, m]` float32.
        terminated: `[S, N]` bool.
        next_observations: `[S, N, O]` float32; of an ended episode its last observation.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    costs: Tensor
    terminated: Tensor
    next_observations: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on a device."""
        return Batch(*(part.to(device) for part in self))


class ReplayBuffer:
    """The newest `capacity` steps of every environment, in arrays made once.

    A step's next observation is the observation of the following step; only where an episode ended, its last
    observation is kept apart. A seed's bytes are `bytes_per_step` for each of its steps, and one observation for each
    episode that ended among them.

    Attributes:
        num_steps: Steps ever added, of each environment.
        capacity: C.
        fields: Array name → `[C + 1, S, E, …]`; the row after the newest step holds an observation only.
        last_observations: Flat index (row, seed, environment) → `[O]` float32, for each ended episode in the buffer.
    """

    def __init__(
        self, capacity: int, num_seeds: int, num_envs: int, observation_size: int, action_size: int, num_costs: int
    ):
        self.capacity, self.num_steps = capacity, 0
        self._columns = (num_seeds, num_envs)
        shape = (capacity + 1, *self._columns)
        self.fields = {
            "observations": torch.zeros(*shape, observation_size),
            "actions": torch.zeros(*shape, action_size),
            "rewards": torch.zeros(shape),
            "costs": torch.zeros(*shape, num_costs),
            "terminated": torch.zeros(shape, dtype=torch.bool),
            "ended": torch.zeros(shape, dtype=torch.bool),
        }
        self.last_observations: dict[int, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        """Steps of each environment that can be drawn."""
        return min(self.num_steps, self.capacity)

    def add(self, transitions: Transitions) -> None:
        """Takes steps, in place of the oldest ones where the buffer is full.

        Args:
            transitions: Steps that follow those added last.
        """
        steps = len(transitions.rewards)
        rows = (self.num_steps + np.arange(steps + 1)) % (self.capacity + 1)
        self._forget(rows[:-1])
        ended = transitions.terminated | transitions.truncated
        now = transitions._asdict() | {"ended": ended}
        for name, array in self.fields.items():
            if name == "observations":
                array[rows] = now[name]
            else:
                array[rows[:-1]] = now[name]
        at, seeds, environments = transitions.ended_at
        for index, last in zip(self._flat(rows[at], seeds, environments), transitions.last_observations, strict=True):
            self.last_observations[int(index)] = last
        self.num_steps += steps

    def sample(self, batch_size: int, generators: list[torch.Generator]) -> Batch:
        """Draws transitions of every seed, uniformly and with replacement.

        Args:
            batch_size: N.
            generators: One a seed, so that no seed's draws depend on another's.

        Returns:
            The batch.
        """
        num_seeds, num_envs = self._columns
        drawn = torch.stack(
            [torch.randint(0, len(self) * num_envs, (batch_size,), generator=generator) for generator in generators]
        )
        oldest = self.num_steps - len(self)
        size = self.capacity + 1
        rows = (oldest + drawn // num_envs) % size
        column = torch.arange(num_seeds).unsqueeze(1) * num_envs + drawn % num_envs
        here = (rows * (num_seeds * num_envs) + column).flatten()
        after = ((rows + 1) % size * (num_seeds * num_envs) + column).flatten()
        shape = (num_seeds, batch_size)
        taken = {
            name: array.flatten(0, 2).index_select(0, here).unflatten(0, shape) for name, array in self.fields.items()
        }
        following = self.fields["observations"].flatten(0, 2).index_select(0, after)
        ended = taken.pop("ended").flatten().nonzero().squeeze(1)
        if len(ended):
            last = [self.last_observations[index] for index in here[ended].tolist()]
            following[ended] = torch.from_numpy(np.stack(last))
        return Batch(**taken, next_observations=following.unflatten(0, shape))

    @property
    def bytes_per_step(self) -> int:
        """Bytes of one step of all seeds and environments, without last observations."""
        return sum(array[0].numel() * array.element_size() for array in self.fields.values())

    @property
    def newest_observations(self) -> Tensor:
        """`[S, E, O]` view; the observations that the next step will start from."""
        return self.fields["observations"][self.num_steps % (self.capacity + 1)]

    def rows(self, start: int, stop: int) -> dict[str, Tensor]:
        """Copies steps out.

        Args:
            start: First step, counted from the first ever; still in the buffer.
            stop: The step after the last one.

        Returns:
            Every array's rows, the number of the first step as `start`, and the last observations of episodes that
            ended: flat index among the rows as `last_at`, `[n, O]` as `last_observations`.
        """
        rows = torch.arange(start, stop) % (self.capacity + 1)
        taken = {name: array[rows] for name, array in self.fields.items()}
        columns = self._columns[0] * self._columns[1]
        last_at = taken["ended"].flatten().nonzero().squeeze(1)
        at = rows[last_at // columns] * columns + last_at % columns
        kept = [torch.from_numpy(self.last_observations[index]) for index in at.tolist()]
        size = self.fields["observations"].shape[-1]
        last = torch.stack(kept) if kept else torch.empty(0, size)
        return taken | {"start": torch.tensor(start), "last_at": last_at, "last_observations": last}

    def put_rows(self, rows: dict[str, Tensor]) -> None:
        """Puts steps back that `rows` copied out; those that the buffer has dropped since are left out.

        Args:
            rows: What `rows` returned.
        """
        start, num = int(rows["start"]), len(rows["rewards"])
        skipped = max(self.num_steps - len(self) - start, 0)
        places = torch.arange(start, start + num) % (self.capacity + 1)
        for name, array in self.fields.items():
            array[places[skipped:]] = rows[name][skipped:]
        columns = self._columns[0] * self._columns[1]
        for index, last in zip(rows["last_at"].tolist(), rows["last_observations"], strict=True):
            if index >= skipped * columns:
                self.last_observations[int(places[index // columns]) * columns + index % columns] = last.numpy()

    def clear(self, num_steps: int = 0) -> None:
        """Empties the buffer.

        Args:
            num_steps: Steps that it shall count, whose rows are to be put back.
        """
        self.num_steps = num_steps
        self.last_observations.clear()
        self.fields["ended"].zero_()

    def _flat(self, rows: NDArray[np.int64], seeds: NDArray[np.int64], envs: NDArray[np.int64]) -> NDArray[np.int64]:
        return (rows * self._columns[0] + seeds) * self._columns[1] + envs

    def _forget(self, rows: NDArray[np.int64]) -> None:
        """Drops the last observations of episodes that ended in rows to be written again."""
        ended = self.fields["ended"][rows].numpy()
        at, seeds, environments = np.nonzero(ended)
        for index in self._flat(rows[at], seeds, environments):
            del self.last_observations[int(index)]
