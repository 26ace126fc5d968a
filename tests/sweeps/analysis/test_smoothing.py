"""LOWESS against what can be worked out by hand."""

import numpy as np
import pytest

from sweeps.analysis.smoothing import lowess


def test_a_straight_line_stays_what_it_is():
    x = [0.0, 0.5, 2.0, 2.5, 7.0, 9.0]
    assert lowess(x, [3.0 - 2.0 * value for value in x], 0.6) == pytest.approx([3.0 - 2.0 * value for value in x])


def test_the_middle_of_five_points_by_hand():
    # f = 1: r = 5 nearest, h = 2 at x = 2. Weights (1 − |d/2|³)³: d = 0: 1; d = 1: (7/8)³ = 343/512; d = 2: 0.
    # By symmetry the line's value at the middle is the weighted mean: 1 · 6 / (1 + 2 · 343/512).
    smooth = lowess([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 6.0, 0.0, 0.0], 1.0)
    assert smooth[2] == pytest.approx(6.0 / (1.0 + 686.0 / 512.0))


def test_an_end_point_by_hand():
    # f = 1 with three points: at x = 0, h = 2, weights 1, 343/512, 0: a line through the first two points.
    assert lowess([0.0, 1.0, 2.0], [5.0, 2.0, 9.0], 1.0)[0] == pytest.approx(5.0)


def test_the_fraction_decides_how_many_neighbors_count():
    x, y = np.arange(10.0), np.zeros(10)
    y[0] = 1.0
    assert lowess(x, y, 0.3)[4] == 0.0  # ⌊3⌋ neighbors: 3, 4, 5
    assert lowess(x, y, 1.0)[4] != 0.0


def test_at_least_three_neighbors_count():
    # r = 3, not ⌊0.1 · 6⌋ = 0 and not 4: of the fourth point's nearest three, h = 1 leaves itself alone.
    assert lowess(np.arange(6.0), np.array([0.0, 5.0, 0.0, 3.0, 0.0, 7.0]), 0.1)[3] == pytest.approx(3.0)


def test_order_does_not_matter_and_equal_places_share_their_mean():
    x, y = [3.0, 1.0, 2.0, 5.0], [1.0, 4.0, 2.0, 0.0]
    order = np.argsort(x)
    assert lowess(x, y, 0.8)[order] == pytest.approx(lowess(np.array(x)[order], np.array(y)[order], 0.8))
    assert lowess([1.0, 1.0, 1.0, 9.0], [0.0, 3.0, 6.0, 1.0], 0.5)[0] == pytest.approx(3.0)
    assert lowess([1.0, 2.0], [4.0, 5.0]).tolist() == [4.0, 5.0]


@pytest.mark.parametrize(
    ("x", "y", "fraction", "message"),
    [
        ([1.0], [1.0, 2.0], 0.5, "len"),
        ([1.0, np.nan], [1.0, 2.0], 0.5, "finite"),
        ([1.0, 2.0], [1.0, 2.0], 0.0, "fraction"),
        ([1.0, 2.0], [1.0, 2.0], 1.5, "fraction"),
    ],
)
def test_nonsense_is_refused(x, y, fraction, message):
    with pytest.raises(ValueError, match=message):
        lowess(x, y, fraction)
