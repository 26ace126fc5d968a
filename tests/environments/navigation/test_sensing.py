"""Lidars by hand; whole observations are compared with upstream's in test_exactness."""

import numpy as np
import pytest

from environments.navigation.sensing import _see, _write_matrix
from environments.navigation.task import Sensing

NONE = np.zeros(0, dtype=np.int64)
FOUR_BINS = Sensing(
    readings=NONE,
    quaternions=NONE,
    lidar_starts=NONE,
    lidar_bodies=NONE,
    lidar_bins=4,
    lidar_range=3.0,
    button_lidar=-1,
)


def seen(*places: tuple[float, float]) -> list[float]:
    observation = np.zeros(5)
    for x, y in places:
        _see(observation, 1, FOUR_BINS, x, y)
    assert observation[0] == 0.0  # another sensor's
    return observation[1:].tolist()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        # Closeness (3 − 1.5) / 3 = 0.5. At 45°, half way through bin 0, each neighbour gets half of it.
        ((1.5 / 2**0.5, 1.5 / 2**0.5), [0.5, 0.25, 0.0, 0.25]),
        # At 90° bin 1 begins: the one before it gets all, the one after it nothing.
        ((0.0, 1.5), [0.5, 0.5, 0.0, 0.0]),
        # At 292.5° a quarter of bin 3 has passed: 0.125 to bin 0, and 0.375 to bin 2.
        ((1.5 * np.cos(np.radians(292.5)), 1.5 * np.sin(np.radians(292.5))), [0.125, 0.0, 0.375, 0.5]),
        ((0.0, -3.0), [0.0, 0.0, 0.0, 0.0]),
        ((5.0, 5.0), [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_an_object_shows_in_its_bin_and_the_two_beside_it(place: tuple[float, float], expected: list[float]) -> None:
    assert seen(place) == pytest.approx(expected, abs=1e-12)


def test_the_nearest_object_hides_those_behind_it() -> None:
    assert seen((1.0, 1.0), (0.5, 0.5), (1.5, 1.5)) == pytest.approx(seen((0.5, 0.5)))


def test_a_place_that_is_no_number_is_written_nowhere_else() -> None:
    seen((np.nan, 1.0), (np.nan, np.nan))  # `seen` looks at the entry before; far outside the process would end


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    observation = np.zeros(9)
    _write_matrix((np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)), observation, 0)

    np.testing.assert_allclose(observation.reshape(3, 3) @ [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], atol=1e-15)
