"""Passes over a batch: the gradient steps of every seed, in three ways that give the same numbers.

`CompiledPasses` runs a seed's whole pass as compiled code, on the CPU. `TorchPasses` calls torch for every step of all
seeds together: with `AutogradGradients` it is the reference, with `FusedGradients` it serves what needs Python between
two steps. `GraphedPasses` replays the same step from a CUDA graph.

Axes: S seeds, K networks a seed, N rows of a seed's batch, n rows of a minibatch, A actions.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import torch
from torch import Tensor

from algorithms.adam import StackedAdam
from algorithms.denormals import flushed_denormals
from algorithms.functional.surrogate import gaussian_kl
from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters
from algorithms.ppo_lagrangian import compiled
from algorithms.ppo_lagrangian.batch import TrainBatch
from algorithms.ppo_lagrangian.gradients import AutogradGradients, FusedGradients, Minibatch

Mix = Callable[[Minibatch, Tensor], Tensor]
"""From a minibatch and its signals `[S, n, 1 + m]` to the advantages that the policy ascends, `[S, n]`."""

_CHUNK_ROWS = 2048  # rows per forward pass over a whole batch: bounds memory, not results


class Passes(Protocol):
    """One way of taking the gradient steps."""

    def run(self, batch: TrainBatch, order: Tensor, learning: Tensor) -> None:
        """Takes one step for every n rows of the order; a rest smaller than n is left out.

        Args:
            batch: All rows.
            order: `[S, N]` int64 on the CPU; the order of each seed's rows.
            learning: `[S]` bool on the CPU; the seeds that take part. The others stay as they are.
        """
        ...

    def divergence(self, batch: TrainBatch, old_log_std: Tensor) -> Tensor:
        """KL(old ‖ new) of every seed's policies, the mean over its batch.

        Args:
            batch: All rows.
            old_log_std: `[S, A]`; of the policies that acted.

        Returns:
            `[S]` on the CPU; nats.
        """
        ...


class TorchPasses:
    """A step of all seeds is a handful of torch's calls.

    Args:
        networks: The networks, changed in place.
        parameters: PPO's hyperparameters.
        adam: Their optimizer.
        gradients: How gradients are computed.
        mix: Mixes the advantages anew for every minibatch, or None: they stand in the batch.
    """

    def __init__(
        self,
        networks: StackedActorCritic,
        parameters: PPOParameters,
        adam: StackedAdam,
        gradients: AutogradGradients | FusedGradients,
        mix: Mix | None = None,
    ):
        self._networks, self._parameters, self._adam = networks, parameters, adam
        self._gradients, self._mix = gradients, mix

    def run(self, batch: TrainBatch, order: Tensor, learning: Tensor) -> None:
        """See `Passes.run`."""
        learning = learning.to(self._networks.matrix.device)
        with flushed_denormals():
            for chosen in self._minibatches(order):
                self._step(batch, chosen, learning)

    def divergence(self, batch: TrainBatch, old_log_std: Tensor) -> Tensor:
        """See `Passes.divergence`."""
        parts = batch.rows.observations.split(_CHUNK_ROWS, dim=1)
        means = torch.cat([self._networks.policy_means(part) for part in parts], dim=1)
        log_std = self._networks.log_std().unsqueeze(1)
        return gaussian_kl(batch.old_means, old_log_std.unsqueeze(1), means, log_std).mean(1).cpu()

    def _minibatches(self, order: Tensor) -> Tensor:
        """`[N // n, S, n]` on the device; rows of each seed, step by step."""
        seeds, size = len(order), self._parameters.minibatch_size
        count = order.shape[1] // size
        steps = order[:, : count * size].view(seeds, count, size).transpose(0, 1)
        return steps.contiguous().to(self._networks.matrix.device)

    def _step(self, batch: TrainBatch, chosen: Tensor, learning: Tensor) -> None:
        part = _select(batch.rows, chosen)
        if self._mix is not None:
            part = part._replace(advantages=self._mix(part, _rows_of(batch.signals, chosen)))
        self._gradients.compute(part)
        matrix = self._gradients.matrix
        norms = torch.linalg.vector_norm(matrix, dim=1, keepdim=True)
        matrix.mul_((self._parameters.grad_clip / (norms + 1e-6)).clamp_(max=1.0))
        self._adam.step(matrix, learning)


class GraphedPasses(TorchPasses):
    """The steps of `TorchPasses` on a GPU, captured once an iteration as a CUDA graph: one launch a step."""

    _captured: TrainBatch | None = None

    def run(self, batch: TrainBatch, order: Tensor, learning: Tensor) -> None:
        """See `Passes.run`."""
        minibatches = self._minibatches(order)
        if self._captured is not batch:
            self._capture(batch, minibatches[0])
        self._learning.copy_(learning)
        for chosen in minibatches:
            self._chosen.copy_(chosen)
            self._graph.replay()

    def _capture(self, batch: TrainBatch, chosen: Tensor) -> None:
        self._captured, self._chosen = batch, chosen.clone()
        self._learning = torch.zeros(len(self._adam.steps), dtype=torch.bool, device=chosen.device)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # nobody learns in the steps that warm the libraries up
            for _ in range(3):
                self._step(batch, self._chosen, self._learning)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step(batch, self._chosen, self._learning)


class CompiledPasses:
    """A seed's pass is one call of compiled code; torch's threads share the seeds.

    Args:
        networks: The networks, on the CPU, changed in place.
        parameters: PPO's hyperparameters.
        adam: Their optimizer.
    """

    def __init__(self, networks: StackedActorCritic, parameters: PPOParameters, adam: StackedAdam):
        self._adam, self._layout, self._size = adam, networks.layout, parameters.minibatch_size
        self._constants = compiled.Constants(
            parameters.clip_param, parameters.entropy_coeff, parameters.critic_norm_coeff, parameters.grad_clip
        )
        shape = (networks.num_seeds, networks.num_networks, -1)
        stacked = (networks.matrix.detach(), adam.first, adam.second)
        views = [tensor.view(shape).numpy() for tensor in stacked]
        self._states = [compiled.State(*(view[seed] for view in views)) for seed in range(networks.num_seeds)]
        self._spaces = [
            compiled.make_space(self._layout.sizes, self._layout.row_size, self._size, views[0].dtype)
            for _ in range(min(torch.get_num_threads(), networks.num_seeds))
        ]

    def run(self, batch: TrainBatch, order: Tensor, learning: Tensor) -> None:
        """See `Passes.run`."""
        arrays = [part.numpy() for part in batch.rows]
        orders, steps, lrs = order.numpy(), self._adam.steps.numpy(), self._adam.lrs.numpy()

        def learn(seed: int, space: compiled.Space) -> None:
            rows = compiled.Rows(*(array[seed] for array in arrays))
            compiled.run_pass(rows, orders[seed], self._states[seed], steps[seed], lrs, self._constants, space)
            steps[seed] += orders.shape[1] // self._size

        self._share(learn, [seed for seed in range(len(orders)) if learning[seed]])

    def divergence(self, batch: TrainBatch, old_log_std: Tensor) -> Tensor:
        """See `Passes.divergence`."""
        observations, means, log_std = batch.rows.observations.numpy(), batch.old_means.numpy(), old_log_std.numpy()
        divergence = torch.zeros(len(observations))

        def measure(seed: int, space: compiled.Space) -> None:
            row = self._states[seed].parameters[0]
            divergence[seed] = compiled.policy_divergence(observations[seed], means[seed], log_std[seed], row, space)

        self._share(measure, list(range(len(observations))))
        return divergence

    def _share(self, work: Callable[[int, compiled.Space], None], seeds: list[int]) -> None:
        """Does the work of every seed, on as many threads as there are spaces."""

        def serve(first: int) -> None:
            with flushed_denormals():  # holds for this thread only
                for seed in seeds[first :: len(self._spaces)]:
                    work(seed, self._spaces[first])

        if len(self._spaces) == 1:
            serve(0)
            return
        with ThreadPoolExecutor(len(self._spaces)) as threads:
            list(threads.map(serve, range(len(self._spaces))))


def _rows_of(values: Tensor, chosen: Tensor) -> Tensor:
    """`[S, n, …]`; the chosen rows `[S, n]` of `[S, N, …]`."""
    seeds, num_rows = values.shape[:2]
    starts = num_rows * torch.arange(seeds, device=chosen.device).unsqueeze(1)
    return values.flatten(0, 1).index_select(0, (chosen + starts).flatten()).unflatten(0, chosen.shape)


def _select(rows: Minibatch, chosen: Tensor) -> Minibatch:
    targets = rows.targets.gather(2, chosen.unsqueeze(1).expand(-1, rows.targets.shape[1], -1))
    return Minibatch(*(_rows_of(part, chosen) for part in rows[:-1]), targets=targets)
