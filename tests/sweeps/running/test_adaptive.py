"""Where an adaptive profile trains, and how precisely it then knows λ* on a CMDP with a known one."""

import numpy as np
import pytest
from scipy.optimize import brentq

from environments.analytic import bandit
from environments.tasks import MULTIPLIER_GRIDS
from sweeps.analysis.lambda_star import LambdaStar, lambda_star_interval
from sweeps.running.adaptive import Measured, next_multiplier
from sweeps.spec.search import AdaptiveProfile

LIMIT = 7.5
TEMPERATURE = 0.15
NUM_SEEDS = 5
GRID = MULTIPLIER_GRIDS["Circle1"]  # 25 multipliers from 0 to 2


def search(trials: int = 8, tolerance: float = 1e-9, gap: float = 0.35) -> AdaptiveProfile:
    return AdaptiveProfile.model_validate(
        {"multiplier": {"low": 0.0, "high": 2.0}, "trials": trials, "tolerance": tolerance, "gap": gap}
    )


def policy(multiplier: float, temperature: float = TEMPERATURE) -> np.ndarray:
    """`[4]`; probability of action 1 in each context under the entropy-regularized optimum of the bandit."""
    cmdp = bandit()
    advantage = cmdp.rewards[:, 1] - multiplier * cmdp.costs["cost"][:, 1]
    return 1.0 / (1.0 + np.exp(-advantage / temperature))


def cost_of(multiplier: float) -> float:
    """Exact cost of an episode: 20 steps, each context a quarter of them."""
    return float(20.0 * policy(multiplier).mean())


LAMBDA_STAR = float(brentq(lambda value: cost_of(value) - LIMIT, 0.0, 2.0))


def train(multiplier: float, generator: np.random.Generator) -> Measured:
    """Seeds that differ as training does: each ends at a temperature of its own, and sees 20 episodes."""
    costs, returns = [], []
    for temperature in TEMPERATURE * np.exp(0.2 * generator.standard_normal(NUM_SEEDS)):
        chosen = policy(multiplier, temperature)
        taken = generator.binomial(100, chosen)  # of about 100 visits to each context in 20 episodes
        costs.append(float(taken.sum()) / 20.0)
        returns.append(float((taken * bandit().rewards[:, 1]).sum()) / 20.0)
    return Measured(multiplier, tuple(costs), float(np.mean(returns)))


def adaptive_points(trials: int, generator: np.random.Generator) -> list[Measured]:
    measured: list[Measured] = []
    while (multiplier := next_multiplier(search(trials), measured, [], LIMIT)) is not None:
        measured.append(train(multiplier, generator))
    return measured


def star_of(points: list[Measured]) -> LambdaStar | None:
    return lambda_star_interval([p.multiplier for p in points], [p.costs for p in points], LIMIT, num_draws=400)


def test_eight_points_bound_lambda_star_about_as_well_as_the_grid_of_25() -> None:
    points = 8
    assert 3.0 <= len(GRID) / points <= 5.0  # times the runs, for about the same precision
    generator = np.random.default_rng(0)
    repeats = 30
    found = {"adaptive": [], "grid": []}
    for _ in range(repeats):
        found["adaptive"].append(star_of(adaptive_points(points, generator)))
        found["grid"].append(star_of([train(multiplier, generator) for multiplier in GRID]))
    known = {name: [star for star in stars if star is not None] for name, stars in found.items()}
    assert all(len(stars) == repeats for stars in known.values())
    covered = {name: np.mean([s.low <= LAMBDA_STAR <= s.high for s in stars]) for name, stars in known.items()}
    width = {name: np.median([s.high - s.low for s in stars]) for name, stars in known.items()}
    assert covered["adaptive"] >= 0.85
    assert width["adaptive"] <= 1.25 * width["grid"]


def test_begins_with_the_ends_and_the_middle() -> None:
    # Middle of u = 0 … 1 + ln 50 is 2.456; λ = 0.04 · e^1.456 = 0.1715….
    found: list[float] = []
    for _ in range(3):
        value = next_multiplier(search(), [], found, LIMIT)
        assert value is not None
        found.append(value)
    assert found == [0.0, 2.0, 0.172]


def test_then_closes_in_on_the_crossing() -> None:
    points = adaptive_points(6, np.random.default_rng(1))
    assert all(0.3 <= point.multiplier <= 1.5 for point in points[3:])  # λ* is 0.75
    assert len({point.multiplier for point in points}) == 6


def test_points_that_run_are_not_chosen_again() -> None:
    generator = np.random.default_rng(2)
    measured = [train(multiplier, generator) for multiplier in (0.0, 2.0, 0.172)]
    running: list[float] = []
    for _ in range(3):
        value = next_multiplier(search(), measured, running, LIMIT)
        assert value is not None
        assert min(abs(value - other) for other in [*running, 0.0, 2.0, 0.172]) > 0.01
        running.append(value)


def two_seeds(multiplier: float, cost: float, mean_return: float, spread: float = 1e-4) -> Measured:
    """Two seeds that agree nearly, so that λ* is uncertain only by as much as the points lie apart."""
    return Measured(multiplier, (cost - spread, cost + spread), mean_return)


def test_looks_for_the_crossing_within_a_quarter_of_its_bracket() -> None:
    # u = 0, 2.459, 4.912. The cost crosses 55 an eighth of the way from 60 at 2.459 to 20 at 4.912, at u = 2.765; the
    # bracket is 2.453 wide. Within 2.765 ± 0.613 the place furthest from all three is 3.379: λ = 0.04 · e^2.379.
    points = [two_seeds(0.0, 90.0, 3.0), two_seeds(0.172, 60.0, 2.0), two_seeds(2.0, 20.0, 1.0)]
    assert next_multiplier(search(), points, [], 55.0) == pytest.approx(0.04 * np.exp(2.379), rel=2e-3)


def test_where_the_largest_multiplier_may_be_too_small_it_looks_near_the_end() -> None:
    # λ* is near 2, and in some draws beyond: the interval is open. What lies far below 2 is not searched for that.
    points = [two_seeds(0.0, 90.0, 3.0), two_seeds(0.172, 60.0, 2.0), two_seeds(2.0, 20.0, 1.0, spread=2.0)]
    value = next_multiplier(search(), points, [], 20.5)
    assert value is not None
    assert value > 0.172


FRONT = [  # cost crosses 50 at 0.7; along the front the widest step is from 0 to 0.05
    *(two_seeds(0.0, 190.0, 9.0), two_seeds(0.05, 110.0, 6.0), two_seeds(0.172, 100.0, 5.5)),
    *(two_seeds(0.5, 60.0, 4.0), two_seeds(0.9, 40.0, 3.5), two_seeds(1.2, 35.0, 3.0), two_seeds(2.0, 30.0, 2.5)),
]


def in_the_gap(value: float | None) -> bool:
    assert value is not None
    return value < 0.05


def test_every_fourth_point_after_the_first_three_fills_the_front() -> None:
    found: list[bool] = []
    others: list[float] = []
    for _ in range(5):  # its 8th to 12th point; the 11th is a fourth one
        value = next_multiplier(search(trials=30), FRONT, others, 50.0)
        found.append(in_the_gap(value))
        assert value is not None
        others.append(value)
    assert found == [False, False, False, True, False]


def test_once_lambda_star_is_precise_only_the_front_is_filled() -> None:
    # Its eighth point, which is no fourth one.
    assert in_the_gap(next_multiplier(search(trials=30, tolerance=0.1), FRONT, [], 50.0))


@pytest.mark.parametrize("flat", ["costs", "returns"])
def test_the_front_has_gaps_in_return_and_in_cost(flat: str) -> None:
    def at(multiplier: float, cost: float, mean_return: float) -> Measured:
        if flat == "costs":  # they fall evenly, and the return only from 0.2 to 0.3
            return two_seeds(multiplier, 100.0 - 10.0 * multiplier, mean_return)
        return two_seeds(multiplier, cost, -multiplier)

    steps = [(0.0, 90.0, 9.0), (0.1, 89.0, 8.9), (0.2, 88.0, 8.8), (0.3, 20.0, 2.0), (0.4, 19.0, 1.9), (0.5, 18.0, 1.8)]
    points = [at(*step) for step in steps]
    value = next_multiplier(search(trials=30), points, [], 1.0)  # nothing crosses: the front is filled
    assert value is not None
    assert 0.2 < value < 0.3


def test_ends_once_lambda_star_and_the_front_are_precise() -> None:
    exact = [Measured(value, (cost_of(value),) * 3, -value) for value in np.linspace(0.0, 2.0, 11)]
    assert next_multiplier(search(trials=30, tolerance=0.1), exact, [], LIMIT) is None
    # A gap is left between 0 and 2 where two neighbors are far apart on the front: it is filled before the end.
    sparse = [point for point in exact if not 0.9 < point.multiplier < 1.9]
    filled = next_multiplier(search(trials=30, tolerance=0.1, gap=0.2), sparse, [], LIMIT)
    assert filled is not None
    assert 0.8 < filled < 2.0


def test_the_tolerance_is_half_the_width_of_the_interval() -> None:
    points = [two_seeds(point.multiplier, point.mean_cost, point.mean_return, spread=1.0) for point in FRONT]
    star = lambda_star_interval([p.multiplier for p in points], [p.costs for p in points], 50.0, num_draws=500)
    assert star is not None
    half = (star.high - star.low) / 2.0 / star.value
    assert next_multiplier(search(trials=30, tolerance=1.01 * half, gap=2.0), points, [], 50.0) is None
    assert next_multiplier(search(trials=30, tolerance=0.99 * half, gap=2.0), points, [], 50.0) is not None


def test_two_points_and_single_seeds_show_nothing_precisely() -> None:
    ends = [two_seeds(0.0, 90.0, 3.0), two_seeds(2.0, 20.0, 1.0)]
    assert next_multiplier(search(tolerance=1.0, gap=2.0), ends, [], 50.0) == 0.172
    alone = [Measured(point.multiplier, point.costs[:1], point.mean_return) for point in FRONT]
    assert next_multiplier(search(trials=30, gap=2.0), alone, [], 50.0) is not None


def test_rounding_does_not_leave_the_range() -> None:
    bounded = AdaptiveProfile.model_validate({"multiplier": {"low": 0.12345, "high": 0.98765}, "trials": 8})
    first = next_multiplier(bounded, [], [], LIMIT)
    assert first == 0.12345  # three digits would be below it
    assert next_multiplier(bounded, [], [0.12345], LIMIT) == 0.98765


def test_a_profile_that_never_crosses_spreads_its_points() -> None:
    flat = [Measured(value, (90.0, 95.0), 1.0 - value) for value in (0.0, 2.0, 0.172)]
    found: list[float] = []
    for _ in range(3):
        value = next_multiplier(search(), flat, found, LIMIT)
        assert value is not None
        found.append(value)
    assert len(set(found)) == 3
    assert all(0.0 < value < 2.0 for value in found)


@pytest.mark.parametrize("low", [0.0, 0.05])
def test_stays_in_its_range(low: float) -> None:
    bounded = AdaptiveProfile.model_validate({"multiplier": {"low": low, "high": 0.6}, "trials": 12})
    generator, measured = np.random.default_rng(3), list[Measured]()
    while (multiplier := next_multiplier(bounded, measured, [], LIMIT)) is not None:
        assert low <= multiplier <= 0.6
        measured.append(train(multiplier, generator))
    assert len(measured) == 12
