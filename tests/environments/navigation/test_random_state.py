"""The compiled Mersenne Twister against NumPy's `RandomState`."""

import numpy as np
import pytest

from environments.navigation.random_state import next_double, next_index, seed_generator


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**32 - 1])
def test_draws_the_doubles_of_random_state(seed: int) -> None:
    generator = seed_generator(seed)

    drawn = [next_double(generator) for _ in range(2000)]  # 4 000 words: six times all 624 are replaced

    assert drawn == np.random.RandomState(seed).random_sample(2000).tolist()


@pytest.mark.parametrize("count", [2, 4, 5, 9])
def test_draws_the_indices_of_random_state_between_its_doubles(count: int) -> None:
    generator = seed_generator(7)
    reference = np.random.RandomState(7)

    for _ in range(500):
        assert next_index(generator, count) == reference.choice(count)
        assert next_double(generator) == reference.uniform()


def test_the_number_of_substeps_that_upstream_draws_costs_one_double() -> None:
    generator = seed_generator(3)
    reference = np.random.RandomState(3)

    assert reference.binomial(10, 1.0) == 10
    next_double(generator)

    assert next_double(generator) == reference.uniform()
