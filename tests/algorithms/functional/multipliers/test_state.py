"""Seeds left out of an update, and the multiplier that does not move."""

import torch

from algorithms.functional.multipliers.fixed import fixed_start, fixed_step
from algorithms.functional.multipliers.pid import pid_start, pid_step
from algorithms.functional.multipliers.state import select_seeds


def test_a_seed_left_out_of_an_update_goes_on_as_if_it_had_not_happened():
    # Seed 0 sees all costs, seed 1 only those at even times.
    costs = [60.0, 55.0, 48.0, 40.0, 33.0, 27.0]
    kwargs = {"kd": 0.5, "delay": 2}
    state = pid_start((2, 1), delay=2, dtype=torch.float64)
    alone = pid_start((1, 1), delay=2, dtype=torch.float64)
    for t, cost in enumerate(costs):
        stepped = pid_step(state, torch.full((2, 1), cost), 25.0, **kwargs)  # pyright: ignore
        state = select_seeds(torch.tensor([True, t % 2 == 0]), stepped, state)
        if t % 2 == 0:
            alone = pid_step(alone, torch.full((1, 1), cost), 25.0, **kwargs)  # pyright: ignore
    for mixed, expected in zip(state, alone, strict=True):
        assert torch.equal(mixed[1:], expected)
    assert state.multiplier[0].item() != state.multiplier[1].item()


def test_the_fixed_multiplier_does_not_move():
    state = fixed_start((2, 1), multiplier=0.7)
    assert torch.equal(fixed_step(state, torch.full((2, 1), 1e6), 25.0).multiplier, torch.full((2, 1), 0.7))
