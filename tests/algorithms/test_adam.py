"""Each seed's step is that of torch's Adam on that seed alone."""

import pytest
import torch

from algorithms.adam import StackedAdam

SEEDS, NETWORKS, SIZE = 3, 2, 5
LRS = [3e-3, 1e-2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_seed_steps_as_torchs_adam_does_and_rests_where_it_does_not_learn(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(SEEDS * NETWORKS, SIZE, generator=generator, dtype=dtype)
    plain = [row.clone().requires_grad_() for row in matrix]
    optimizers = [torch.optim.Adam([row], lr=LRS[index % NETWORKS]) for index, row in enumerate(plain)]
    adam = StackedAdam(matrix, LRS)
    for step in range(8):
        learning = torch.tensor([True, step < 5, step != 2])
        gradients = torch.randn(SEEDS * NETWORKS, SIZE, generator=generator, dtype=dtype) * 10.0 ** (step - 4)
        for index, optimizer in enumerate(optimizers):
            if learning[index // NETWORKS]:
                plain[index].grad = gradients[index]
                optimizer.step()
        adam.step(gradients, learning)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(matrix, torch.stack(plain).detach(), rtol=tolerance, atol=tolerance)
    assert adam.steps.tolist() == [8, 5, 7]


def test_a_seed_that_never_learned_keeps_its_parameters_to_the_bit() -> None:
    matrix = torch.randn(SEEDS * NETWORKS, SIZE)
    before = matrix.clone()
    adam = StackedAdam(matrix, LRS)
    adam.step(torch.ones_like(matrix), torch.tensor([True, False, False]))
    assert torch.equal(matrix[2:], before[2:])
    assert not torch.equal(matrix[:2], before[:2])


def test_it_continues_from_its_state_to_the_bit() -> None:
    matrix = torch.randn(SEEDS * NETWORKS, SIZE)
    adam = StackedAdam(matrix, LRS)
    everyone = torch.ones(SEEDS, dtype=torch.bool)
    adam.step(torch.randn_like(matrix), everyone)
    copy, continued = matrix.clone(), StackedAdam(matrix, LRS)
    continued = StackedAdam(copy, LRS)
    continued.set_state(adam.get_state())
    gradients = torch.randn_like(matrix)
    adam.step(gradients, everyone)
    continued.step(gradients, everyone)
    assert torch.equal(matrix, copy)
