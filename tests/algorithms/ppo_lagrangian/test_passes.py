"""Whole passes: compiled code and CUDA graphs take the steps that torch's autograd and Adam take."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numba import njit

from algorithms.adam import StackedAdam
from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters
from algorithms.ppo_lagrangian import compiled
from algorithms.ppo_lagrangian.batch import TrainBatch
from algorithms.ppo_lagrangian.gradients import AutogradGradients, FusedGradients, Minibatch
from algorithms.ppo_lagrangian.passes import CompiledPasses, GraphedPasses, Passes, TorchPasses
from tests.algorithms.networks import make_networks, random_rows

ROWS, SIZE = 70, 16  # four minibatches and a rest of six rows
PARAMETERS = PPOParameters(entropy_coeff=0.03, critic_norm_coeff=0.01, minibatch_size=SIZE, grad_clip=0.5)
LRS = [3e-3, 1e-3, 1e-3]

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def make_problem(dtype: torch.dtype, seeds: tuple[int, ...] = (0, 1, 2)) -> tuple[StackedActorCritic, TrainBatch]:
    networks = make_networks(seeds).to(dtype)
    with torch.no_grad():
        networks.log_std().copy_(torch.tensor([[0.3, -0.5]], dtype=dtype).expand(len(seeds), 2))
    # Rows of seed s are the same whichever seeds stand beside it.
    rows = [random_rows(make_networks((seed,)).to(dtype), ROWS, seed) for seed in seeds]
    batch = Minibatch(**{name: torch.cat([row[name] for row in rows]) for name in rows[0]})
    means = networks.policy_means(batch.observations).detach() + 0.1
    return networks, TrainBatch(batch, torch.zeros(len(seeds), ROWS, 2), means, torch.ones(len(seeds)))


def passes_of(kind: str, networks: StackedActorCritic, parameters: PPOParameters = PARAMETERS) -> Passes:
    adam = StackedAdam(networks.matrix, LRS)
    if kind == "compiled":
        return CompiledPasses(networks, parameters, adam)
    if kind == "autograd":
        return TorchPasses(networks, parameters, adam, AutogradGradients(networks, parameters))
    gradients = FusedGradients(networks, parameters, SIZE)
    return (GraphedPasses if kind == "graphed" else TorchPasses)(networks, parameters, adam, gradients)


def train(
    kind: str, dtype: torch.dtype, seeds: tuple[int, ...] = (0, 1, 2), learning: list[bool] | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Parameters `[S, K, q]` and divergences `[S]` after three passes."""
    networks, batch = make_problem(dtype, seeds)
    passes = passes_of(kind, networks)
    old_log_std = networks.log_std().detach().clone()
    on = torch.tensor(learning or [True] * len(seeds))
    with torch.no_grad():
        for index in range(3):
            orders = [torch.randperm(ROWS, generator=torch.Generator().manual_seed(9 * s + index)) for s in seeds]
            passes.run(batch, torch.stack(orders), on)
        divergence = passes.divergence(batch, old_log_std)
    return networks.matrix.detach().view(len(seeds), 3, -1), divergence


@pytest.mark.parametrize("kind", ["compiled", "fused"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-11)])
def test_three_passes_are_those_of_autograd(kind: str, dtype: torch.dtype, tolerance: float) -> None:
    """Twelve steps; where a gradient is near 0, Adam's first step turns its rounding into a part of the step size."""
    expected, divergences = train("autograd", dtype)
    parameters, measured = train(kind, dtype)
    torch.testing.assert_close(parameters, expected, rtol=0.0, atol=tolerance)
    torch.testing.assert_close(measured, divergences.to(measured), rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("kind", ["compiled", "fused", "autograd"])
def test_a_seed_that_does_not_learn_stays_as_it_is(kind: str) -> None:
    before = make_problem(torch.float32)[0].matrix.detach().view(3, 3, -1)
    after, _ = train(kind, torch.float32, learning=[True, False, True])
    assert torch.equal(after[1], before[1])
    assert not torch.equal(after[0], before[0])
    everyone, _ = train(kind, torch.float32)
    assert torch.equal(after[0], everyone[0])


def test_compiled_a_seed_is_the_same_to_the_bit_alone_and_among_others_on_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    among, _ = train("compiled", torch.float32)
    alone, _ = train("compiled", torch.float32, seeds=(1,))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    in_threads, _ = train("compiled", torch.float32)
    assert torch.equal(alone[0], among[1])
    assert torch.equal(in_threads, among)


@pytest.mark.parametrize(("kind", "threads"), [("compiled", 1), ("compiled", 2), ("fused", 1), ("autograd", 1)])
def test_denormal_numbers_become_zeros_while_learning_and_only_then(
    kind: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unused outputs of a critic have no gradient: only what a pass rounds away can bring their moments to 0.

    0.9^4 · 1e-39 would stay above float32's smallest number, 1.4e-45, and slow every later pass.
    """
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    networks, batch = make_problem(torch.float32)
    passes = passes_of(kind, networks)
    moments: torch.Tensor = passes._adam.first.view(3, 3, -1)  # pyright: ignore[reportAttributeAccessIssue]
    unused = networks.layout.layers(moments[:, 1])[-1].weight[..., 1]
    unused.fill_(1e-39)
    with torch.no_grad():
        passes.run(batch, torch.arange(ROWS).repeat(3, 1), torch.ones(3, dtype=torch.bool))
    assert torch.equal(unused, torch.zeros_like(unused))
    assert torch.tensor(1e-39).mul(0.5).item() > 0.0


def one_gradient(dtype: torch.dtype, network: int, parameters: PPOParameters) -> tuple[np.ndarray, torch.Tensor]:
    """The compiled gradient of seed 1's network for its first 64 rows, and autograd's."""
    networks = make_networks(hidden_sizes=(64, 64)).to(dtype)
    batch = Minibatch(**random_rows(networks, 64))
    reference = AutogradGradients(networks, parameters)
    reference.compute(batch)
    space = compiled.make_space(networks.layout.sizes, networks.layout.row_size, 64, batch.actions.numpy().dtype)
    constants = compiled.Constants(
        parameters.clip_param, parameters.entropy_coeff, parameters.critic_norm_coeff, parameters.grad_clip
    )
    rows = compiled.Rows(*(part[1].numpy() for part in batch))
    matrix = networks.matrix.detach().view(3, 3, -1)[1].numpy()
    state = compiled.State(matrix, np.zeros_like(matrix), np.zeros_like(matrix))
    compiled._gather(rows.observations, np.arange(64), space)
    compiled._gradient(rows, np.arange(64), network, state, constants, space)
    return space.gradient, reference.matrix.view(3, 3, -1)[1, network]


@pytest.mark.parametrize("network", [0, 1, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_the_compiled_gradient_equals_autograds(dtype: torch.dtype, tolerance: float, network: int) -> None:
    parameters = PARAMETERS.model_copy(update={"grad_clip": 1e9})
    gradient, expected = one_gradient(dtype, network, parameters)
    assert np.linalg.norm(gradient - expected.numpy()) <= tolerance * np.linalg.norm(expected.numpy())


def test_the_compiled_gradient_is_clipped_to_its_largest_norm() -> None:
    gradient, expected = one_gradient(torch.float64, 1, PARAMETERS.model_copy(update={"grad_clip": 0.5}))
    norm = expected.norm().item()
    assert norm > 0.5
    np.testing.assert_allclose(gradient, expected.numpy() * 0.5 / (norm + 1e-6), rtol=1e-12, atol=1e-15)


@njit
def _tanh_of(values: Any, out: Any) -> None:
    for i in range(len(values)):
        out[i] = compiled._tanh(values[i])


def test_tanh_is_within_a_few_roundings_and_keeps_what_is_not_finite() -> None:
    """Over all of [−12, 12] within 5e-7 of the exact value relatively; float32 resolves 6e-8."""
    values = np.linspace(-12.0, 12.0, 400_001, dtype=np.float32)
    out = np.empty_like(values)
    _tanh_of(values, out)
    exact = np.tanh(values.astype(np.float64))
    assert np.abs(out - exact).max() < 5e-7
    nonzero = values != 0.0
    assert np.abs(out[nonzero] / exact[nonzero] - 1.0).max() < 5e-7
    special = np.array([np.nan, np.inf, -np.inf, 0.0], dtype=np.float32)
    _tanh_of(special, special)
    assert math.isnan(special[0])
    np.testing.assert_allclose(special[1:], [1.0, -1.0, 0.0], atol=5e-7)


@pytest.mark.parametrize("kind", ["compiled", "fused"])
def test_what_is_not_finite_reaches_the_parameters_of_its_own_seed_only(kind: str) -> None:
    networks, batch = make_problem(torch.float32)
    batch.rows.targets[1, 0, :] = torch.nan
    passes = passes_of(kind, networks)
    with torch.no_grad():
        passes.run(batch, torch.arange(ROWS).repeat(3, 1), torch.ones(3, dtype=torch.bool))
    finite = torch.isfinite(networks.matrix.view(3, 3, -1)).all(2)
    assert finite.tolist() == [[True, True, True], [True, False, True], [True, True, True]]


@needs_cuda
def test_a_cuda_graph_takes_the_same_steps() -> None:
    networks, batch = make_problem(torch.float32)
    on_gpu = networks.to("cuda")
    moved = TrainBatch(Minibatch(*(part.cuda() for part in batch.rows)), *(part.cuda() for part in batch[1:]))
    passes = passes_of("graphed", on_gpu)
    with torch.no_grad():
        for index in range(3):
            orders = [torch.randperm(ROWS, generator=torch.Generator().manual_seed(9 * s + index)) for s in (0, 1, 2)]
            passes.run(moved, torch.stack(orders), torch.ones(3, dtype=torch.bool))
    expected, _ = train("autograd", torch.float32)
    torch.testing.assert_close(on_gpu.matrix.detach().cpu().view(3, 3, -1), expected, rtol=0.0, atol=2e-4)
