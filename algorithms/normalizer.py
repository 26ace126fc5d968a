"""Running mean and standard deviation of observations, one a seed.

Axes: S seeds, N observations, O entries. All statistics are float64 NumPy: they live beside the environments.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OBSERVATION_CLIP = 5.0
"""Standard deviations; OmniSafe's default."""

_SMALLEST_STD = 1e-2  # OmniSafe's floor: a constant entry must not be blown up


class Moments(NamedTuple):
    """Statistics of the observations seen.

    Attributes:
        number: `[S]` float64; observations seen.
        mean: `[S, O]` float64.
        squares: `[S, O]` float64; sum of squared deviations from the mean.
    """

    number: Floats
    mean: Floats
    squares: Floats


def no_moments(num_seeds: int, observation_size: int) -> Moments:
    """Moments before anything was seen."""
    shape = (num_seeds, observation_size)
    return Moments(np.zeros(num_seeds), np.zeros(shape), np.zeros(shape))


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two sets of observations.

    Source: Chan, Golub, LeVeque (1983), "Algorithms for Computing the Sample Variance", equation 2.1.

    Args:
        a: Moments of the one set.
        b: Moments of the other.

    Returns:
        Moments of both together.
    """
    count = a.number + b.number
    weight = np.divide(b.number, count, out=np.zeros_like(count), where=count > 0)[:, None]
    delta = b.mean - a.mean
    squares = a.squares + b.squares + delta**2 * a.number[:, None] * weight
    return Moments(count, a.mean + delta * weight, squares)


class Normalizer:
    """Turns observations into the networks' inputs, (x − mean)/std clipped to ±5, by statistics that it keeps.

    Attributes:
        moments: What every observation so far amounts to.
        recent: What the observations since the last `begin_batch` amount to: what a remote runner reports.
    """

    def __init__(self, num_seeds: int, observation_size: int, *, enabled: bool = True):
        self._enabled = enabled
        self.moments = no_moments(num_seeds, observation_size)
        self.recent = self.moments
        self._rescale()

    def begin_batch(self) -> None:
        """Forgets what `recent` holds."""
        self.recent = no_moments(*self.moments.mean.shape)

    def observe(self, observations: Floats) -> None:
        """Takes observations into the statistics.

        Args:
            observations: `[S, N, O]` float64.
        """
        if not self._enabled:
            return
        mean = observations.mean(axis=1)
        squares = np.square(observations - mean[:, None]).sum(axis=1)
        seen = Moments(np.full(observations.shape[0], float(observations.shape[1])), mean, squares)
        self.recent = merge(self.recent, seen)
        self.set_moments(merge(self.moments, seen))

    def set_moments(self, moments: Moments) -> None:
        """Replaces the statistics."""
        self.moments = moments
        self._rescale()

    def scale(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation `[S, O]` by which `normalize` scales now: 0 and 1 if disabled."""
        if not self._enabled:
            return np.zeros_like(self.moments.mean), np.ones_like(self.moments.mean)
        return self._mean[:, 0], 1.0 / self._inverse_std[:, 0]

    def normalize(self, observations: Floats) -> NDArray[np.float32]:
        """Scales observations for the networks.

        Args:
            observations: `[S, N, O]` float64.

        Returns:
            `[S, N, O]` float32, within ±5; unscaled and unclipped if disabled.
        """
        if not self._enabled:
            return observations.astype(np.float32)
        scaled = observations - self._mean
        scaled *= self._inverse_std
        return np.clip(scaled, -OBSERVATION_CLIP, OBSERVATION_CLIP, out=scaled).astype(np.float32)

    def _rescale(self) -> None:
        variance = self.moments.squares / np.maximum(self.moments.number, 1.0)[:, None]
        unseen = (self.moments.number == 0)[:, None]
        std = np.where(unseen, 1.0, np.maximum(np.sqrt(variance), _SMALLEST_STD))
        self._mean, self._inverse_std = self.moments.mean[:, None], (1.0 / std)[:, None]
