"""The learner: what moves when, that seeds do not mix, and that it continues bit for bit."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from ray.rllib.core import DEFAULT_MODULE_ID

from algorithms.errors import NonFiniteError
from algorithms.sac_lagrangian import SACLagrangianConfig
from tests.algorithms.sac_lagrangian.trial import Trial

SMALL = {
    "steps_per_iteration": 200,
    "num_envs": 4,
    "train_every": 8,
    "gradient_steps": 2,
    "learning_starts": 100,
    "buffer_size": 300,
    "batch_size": 16,
    "hidden_sizes": (8, 8),
    "actor_lr": 1e-3,
    "auto_alpha": True,
    "alpha": 0.1,
}


def make_config(seeds: tuple[int, ...] = (0, 1), **parameters: Any) -> SACLagrangianConfig:
    return (
        SACLagrangianConfig()
        .environment("analytic/bandit")
        .training(**{**SMALL, **parameters})
        .lagrangian(update="pid", kd=0.1, cost_limit=5.0)
        .seeds(seeds)
        .budget(env_steps=4_000)
    )


def test_nothing_moves_before_learning_starts_and_everything_afterwards() -> None:
    trial = Trial(make_config(learning_starts=200))
    before = trial.matrices()
    trial.iterate()
    assert all(torch.equal(old, new) for old, new in zip(before, trial.matrices(), strict=True))
    names = ("value", "shadow_price", "error", "p", "i", "d")
    assert set(trial.learner.seed_metrics) == {f"multiplier/{name}" for name in names}
    assert (trial.metrics("multiplier/value") == np.float32(0.001)).all()
    trial.iterate()
    for old, new in zip(before, trial.matrices(), strict=True):
        assert (old != new).any(1).all()
    # Random actions cost 10 an episode of 20 steps, twice the limit.
    assert (trial.metrics("multiplier/value") > 0.1).all()
    assert ((trial.metrics("policy/alpha") > 0.0) & (trial.metrics("policy/alpha") < 0.1)).all()


def test_policy_and_targets_wait_for_the_delay() -> None:
    trial = Trial(make_config(policy_delay=1_000, auto_alpha=True))
    policies, critics, targets, log_alpha = trial.matrices()
    trial.iterate()
    after = trial.matrices()
    assert torch.equal(after[0], policies)
    assert not torch.equal(after[1], critics)
    assert torch.equal(after[2], targets)
    assert torch.equal(after[3], log_alpha)


def test_targets_follow_the_critics_by_tau() -> None:
    trial = Trial(make_config(tau=1.0))
    trial.iterate()
    _, critics, targets, _ = trial.matrices()
    assert torch.equal(critics, targets)


def test_denormal_numbers_become_zeros_while_learning_and_only_then() -> None:
    """A unit that has died has no gradient; 0.9^26 · 1e-39 would stay above float32's smallest number, 1.4e-45."""
    trial = Trial(make_config())
    trial.iterate()
    networks, optimizer = trial.learner.networks, trial.learner.get_optimizer(DEFAULT_MODULE_ID, "critics")
    moments = networks._critic_layout.layers(cast(Any, optimizer).state[networks.critics]["exp_avg"])[0].weight[0, :, 0]
    networks._critic_layout.layers(networks.critics.data)[0].bias[0, 0, 0] = -1e6
    moments.fill_(1e-39)
    trial.iterate()
    assert torch.equal(moments, torch.zeros_like(moments))
    assert torch.tensor(1e-39).mul(0.5).item() > 0.0


def test_a_fixed_temperature_stays() -> None:
    trial = Trial(make_config(auto_alpha=False))
    trial.iterate()
    np.testing.assert_allclose(trial.metrics("policy/alpha"), 0.1, rtol=1e-6)


@pytest.mark.parametrize(("cadence", "moves"), [("iteration", 1), ("round", 13)])
def test_the_multiplier_moves_once_an_iteration_or_every_round(cadence: str, moves: int) -> None:
    """200 steps are 25 rounds of 8, of which the 13th and later ones, from step 104 on, learn."""
    config = make_config(multiplier_cadence=cadence).lagrangian(update="ga", dual_optimizer="sgd", lr=0.01, init=0.0)
    trial = Trial(config)
    trial.iterate()
    assert (trial.learner._penalty._multipliers.state.iterations == moves).all()


@pytest.mark.parametrize("cost_critics", [1, 2])
def test_a_seed_comes_out_the_same_alone_and_among_others(cost_critics: int) -> None:
    several, single = (Trial(make_config(seeds, cost_critics=cost_critics)) for seeds in ((5, 6, 7), (6,)))
    for _ in range(3):
        among, alone = several.iterate(), single.iterate()
        np.testing.assert_array_equal(among.of_seed(1)[1], alone.of_seed(0)[1])
    for of_all, of_one in zip(several.matrices(), single.matrices(), strict=True):
        torch.testing.assert_close(of_all[1], of_one[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [{}, {"multiplier_cadence": "iteration", "cost_window": "iteration", "scale_invariance": "iteration"}],
    ids=["rounds", "iterations"],
)
def test_continued_from_a_checkpoint_it_trains_on_bit_for_bit(tmp_path: Path, changes: dict[str, Any]) -> None:
    straight, resumed = (Trial(make_config(**changes)) for _ in range(2))
    straight.iterate()
    straight.iterate()  # the buffer has begun to drop steps
    state = straight.save(tmp_path)
    resumed.load(tmp_path, state)
    for _ in range(2):
        ours, theirs = straight.iterate(), resumed.iterate()
        np.testing.assert_array_equal(ours.costs, theirs.costs)
        np.testing.assert_equal(straight.learner.seed_metrics, resumed.learner.seed_metrics)
    for mine, its in zip(straight.matrices(), resumed.matrices(), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize(
    ("lagrangian", "paid"),
    [
        ({"update": "ga", "init": 0.5}, "multiplier/value"),
        ({"update": "network", "init": 0.5, "state_limit": 0.0}, "multiplier/effective"),
    ],
    ids=["scalar", "network"],
)
def test_the_shadow_price_is_what_the_policy_pays(lagrangian: dict[str, Any], paid: str) -> None:
    trial = Trial(make_config(scale_invariance="minibatch").lagrangian(**lagrangian))
    trial.iterate()
    scale = trial.metrics("multiplier/cost_scale")
    assert (np.abs(scale - 1.0) > 0.01).all()
    np.testing.assert_allclose(trial.metrics("multiplier/shadow_price"), scale * trial.metrics(paid), rtol=1e-6)


def test_a_checkpoint_of_other_seeds_is_refused() -> None:
    state = Trial(make_config((0, 1))).learner.get_state()
    with pytest.raises(ValueError, match="a checkpoint continues what wrote it"):
        Trial(make_config((2, 3))).learner.set_state(state)


def test_several_costs_have_a_multiplier_each() -> None:
    trial = Trial(make_config().lagrangian(update="ga", cost_limit={"even": 0.0, "odd": 100.0}))
    trial.iterate()
    trial.iterate()
    assert (trial.metrics("multiplier/value/even") > 0.0).all()
    assert (trial.metrics("multiplier/value/odd") == 0.0).all()
    assert {"loss/cost_value/even", "loss/cost_value/odd", "value/cost/even"} <= trial.learner.seed_metrics.keys()


def test_what_is_not_finite_names_the_seeds() -> None:
    trial = Trial(make_config(critic_lr=1e30))
    with pytest.raises(NonFiniteError, match=r"seeds \[0, 1\]"):
        trial.iterate()


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ({"train_every": 6}, "`train_every` must be a multiple of `num_envs`"),
        ({"train_every": 12}, "`steps_per_iteration` must be a multiple of `train_every`"),
        ({"batch_size": 301}, "batch_size <= buffer_size"),
        ({"train_every": 400, "steps_per_iteration": 400}, "train_every <= buffer_size"),
        ({"learning_starts": 4_000}, "learning_starts < env_steps"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(parameters: dict[str, int], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        make_config(**parameters).validate()


def test_samplers_elsewhere_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`num_env_runners == 0` must hold, but got 2"):
        make_config().env_runners(num_env_runners=2).validate()
