"""SAC's networks and a batch in float64, for tests that differentiate numerically."""

import gymnasium
import numpy as np
import torch

from algorithms.sac_lagrangian.networks import StackedSoftActorCritic
from algorithms.sac_lagrangian.replay import Batch

OBSERVATIONS, ACTIONS = 3, 2


def make_networks(seeds: tuple[int, ...] = (3, 4), num_costs: int = 2, cost_critics: int = 2) -> StackedSoftActorCritic:
    spaces = (gymnasium.spaces.Box(-1.0, 1.0, (size,), np.float32) for size in (OBSERVATIONS, ACTIONS))
    module = StackedSoftActorCritic(
        observation_space=next(spaces),
        action_space=next(spaces),
        inference_only=False,
        model_config={
            "seeds": list(seeds),
            "num_costs": num_costs,
            "cost_critics": cost_critics,
            "hidden_sizes": (5, 4),
            "alpha": 0.2,
        },
    )
    return module.double()


def make_batch(num_seeds: int = 2, num_rows: int = 6, num_costs: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(num_seeds, num_rows, *shape, generator=generator, dtype=torch.float64)

    return Batch(
        observations=draw(OBSERVATIONS),
        actions=torch.tanh(draw(ACTIONS)),
        rewards=draw(),
        costs=draw(num_costs).abs(),
        terminated=draw() > 0.8,
        next_observations=draw(OBSERVATIONS),
    )
