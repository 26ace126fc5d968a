"""Calibration measures against hand-worked numbers and brute force."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.analysis.calibration import (
    auprc,
    auroc,
    calibrations,
    discounted_ahead,
    reliability,
    whole_windows,
)
from sweeps.calibration_record import CalibrationRecord, read_record, write_record


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def make_arrays(seeds: tuple[int, ...] = (0, 1), iterations: int = 12, **changed: Any) -> dict[str, Any]:
    """A record in which λ is 2 during the 30 steps before each cost and 0 elsewhere, the same for every seed."""
    steps, shape = 400, (len(seeds), 400, 2)
    cost = np.zeros(shape, np.float32)
    cost[:, [100, 250]] = 1.0
    value = np.zeros(shape, np.float32)
    value[:, 71:101] = value[:, 221:251] = 2.0
    ended = np.zeros(shape, bool)
    ended[:, 199] = True
    probes = 1.0 + 0.5 * np.sin(np.arange(iterations) * np.pi / 2)[None, :, None] * np.ones((len(seeds), 1, 3))
    arrays = {
        "seeds": np.array(seeds), "multiplier": value, "violation": np.where(value > 0, 0.5, -1.0).astype(np.float32),
        "cost": cost, "ended": ended, "position": np.full((*shape, 2), np.nan, np.float32),
        "probes": probes.astype(np.float32), "multiplier_max": 2.0, "discount": 0.9,
    }  # fmt: skip
    assert steps == shape[1]
    return arrays | changed


def test_sums_ahead_equal_hand_worked_numbers():
    # γ = ½, H = 3: 1 + 0 + 4/4 = 2; 0 + 4/2 + 0; 4; 0.
    assert discounted_ahead(column(1, 0, 4, 0), 3, 0.5)[:, 0].tolist() == [2.0, 2.0, 4.0, 0.0]
    assert discounted_ahead(column(1, 2), 9, 1.0)[:, 0].tolist() == [3.0, 2.0]


def test_windows_that_an_end_cuts_do_not_count():
    ended = column(0, 0, 1, 0, 0, 0).astype(bool)
    # H = 2: step 2 is its episode's last, step 5 the record's.
    assert whole_windows(ended, 2)[:, 0].tolist() == [True, True, False, True, True, False]
    assert whole_windows(ended, 3)[:, 0].tolist() == [True, False, False, True, False, False]
    assert whole_windows(ended, 1).all()
    assert not whole_windows(ended, 9).any()


def test_areas_equal_hand_worked_numbers():
    score, positive = np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, False, True, False])
    # Pairs: 3 > 2, 3 > 1, 2 = 2 (½), 2 > 1: 3.5 of 4. Precision 1 at recall ½, then 2 of 3 at recall 1 with the tie.
    assert auroc(score, positive) == pytest.approx(3.5 / 4)
    assert auprc(score, positive) == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)


def test_areas_equal_brute_force_over_pairs_and_thresholds():
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 8, 60).astype(float), rng.random(60) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    assert auroc(score, positive) == pytest.approx(np.mean(pairs))
    area, recall = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        chosen = score >= threshold
        reached = positive[chosen].sum() / positive.sum()
        area, recall = area + (reached - recall) * positive[chosen].mean(), reached
    assert auprc(score, positive) == pytest.approx(area)


def test_areas_are_undefined_where_nothing_or_all_is_risky():
    score = np.array([1.0, 2.0])
    assert np.isnan(auroc(score, np.array([True, True])))
    assert np.isnan(auroc(score, np.array([False, False])))
    assert np.isnan(auprc(score, np.array([False, False])))
    assert auprc(score, np.array([True, True])) == 1.0


def test_the_reliability_curve_has_each_bins_mean_multiplier_and_cost():
    # γ = ½: 2 steps ahead. λ = 0 … 9 and cost 2 where λ ≥ 5: one state a bin but for the last step, which is cut off.
    value = column(*range(10))
    bins = reliability(value, 2.0 * (value >= 5), np.zeros((10, 1), bool), 0.5)
    assert bins[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    # State 4 has 0 + 2/2, states 5 … 8 have 2 + 2/2.
    assert bins[:, 1].tolist() == [0, 0, 0, 0, 1, 3, 3, 3, 3]
    assert reliability(value[:1], value[:1], np.zeros((1, 1), bool), 0.5).shape == (0, 2)


def test_a_seeds_calibration_equals_hand_worked_numbers():
    arrays = make_arrays()
    arrays["multiplier"][1] = 2.0 - arrays["multiplier"][1]  # seed 1 has it the wrong way round
    record = CalibrationRecord(**arrays)
    right, wrong = calibrations(record)
    # 60 of 400 states have λ = 2: mean 0.3, spread √(0.3 · 1.7); λ g = 2 · 0.5 there.
    assert (right.seed, right.multiplier) == (0, pytest.approx(0.3))
    assert right.spread == pytest.approx(np.sqrt(0.3 * 1.7))
    assert right.slackness == pytest.approx(60 / 400)
    assert right.feasible_multiplier == 0.0
    assert right.violation == pytest.approx(0.5 * 60 / 400)
    assert right.at_cap == pytest.approx(60 / 400)
    # Whole windows of 25 steps: 176 of the first episode and 176 of the second; 25 states each have a cost ahead,
    # among 30 with λ = 2: precision 50/60 at recall 1, and 10 of 302 others have λ = 2.
    assert right.base_rate == pytest.approx(50 / 352)
    assert right.auprc == pytest.approx(50 / 60)
    assert right.auroc == pytest.approx(1.0 - 0.5 * 10 / 302)
    assert wrong.auroc == pytest.approx(0.5 * 10 / 302)
    assert wrong.feasible_multiplier == pytest.approx(2.0)
    # λ at the probes goes 1, 1.5, 1, 0.5, …: half a unit of way an iteration at a mean of 1.
    assert right.variation == pytest.approx(0.5)
    assert right.period == pytest.approx(4.0, abs=0.3)


def test_too_few_iterations_show_no_oscillation():
    calibration = calibrations(CalibrationRecord(**make_arrays(iterations=2)))[0]
    assert np.isnan(calibration.variation)
    assert np.isnan(calibration.period)


def test_a_record_is_read_back_with_each_seeds_latest_attempt(tmp_path: Path):
    write_record(tmp_path, 3, 1, make_arrays((4, 2)))
    write_record(tmp_path, 3, 2, make_arrays((7, 4), 5, cost=np.full((2, 400, 2), 9.0, np.float32)))
    record = read_record(tmp_path, 3)
    assert record is not None
    assert record.seeds.tolist() == [2, 4, 7]
    assert record.cost[:, 0, 0].tolist() == [0.0, 9.0, 9.0]
    assert record.probes.shape == (3, 5, 3)  # the shorter history
    assert (record.multiplier_max, record.discount) == (2.0, 0.9)
    assert read_record(tmp_path, 4) is None
    assert not list(tmp_path.rglob("*.partial"))
