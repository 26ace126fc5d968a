import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from algorithms.env_runner import StackedEnvRunner
from algorithms.errors import LostEnvRunnerError, NonFiniteError
from algorithms.ppo_lagrangian import PPOLagrangian, PPOLagrangianConfig
from environments.batch import seed_environments

pytestmark = pytest.mark.usefixtures("local_ray")

SMALL = {"steps_per_iteration": 400, "num_envs": 4, "num_epochs": 3, "minibatch_size": 64, "target_kl": 1.0}


def make_config(seeds: tuple[int, ...] = (0, 1), **parameters: Any) -> PPOLagrangianConfig:
    return (
        PPOLagrangianConfig()
        .environment("analytic/bandit")
        .training(**{**SMALL, **parameters})
        .lagrangian(update="pid", kd=0.1, cost_limit=5.0)
        .seeds(seeds)
        .budget(env_steps=4_000)
    )


def networks(algorithm: PPOLagrangian) -> torch.Tensor:
    """`[S, K, q]`; the parameters of every seed."""
    module = algorithm.learner_group._learner._networks
    return module.matrix.detach().clone().view(module.num_seeds, module.num_networks, -1)


def train(config: PPOLagrangianConfig, iterations: int) -> tuple[torch.Tensor, list[list[dict[str, Any]]]]:
    algorithm = config.build_algo()
    rows = [algorithm.train()["seed_rows"] for _ in range(iterations)]
    trained = networks(algorithm)
    algorithm.stop()
    return trained, rows


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "metrics": {k: v for k, v in row["metrics"].items() if "time/" not in k}} for row in rows]


@pytest.fixture
def algorithm() -> Iterator[PPOLagrangian]:
    algorithm = make_config().build_algo()
    yield algorithm
    algorithm.stop()


def test_a_result_has_a_row_a_seed_with_whole_episodes(algorithm: PPOLagrangian) -> None:
    algorithm.train()
    rows = algorithm.train()["seed_rows"]
    assert [row["seed"] for row in rows] == [0, 1]
    for row in rows:
        # 400 steps of 4 environments: five episodes of 20 steps each.
        assert (row["iteration"], row["env_steps"], len(row["episode_returns"])) == (2, 800, 20)
        metrics = row["metrics"]
        assert metrics["train/return"] == pytest.approx(np.mean(row["episode_returns"]))
        assert metrics["train/cost"] == pytest.approx(np.mean(row["episode_costs"]["cost"]))
        assert metrics["train/violation_rate"] == np.mean(np.array(row["episode_costs"]["cost"]) > 5.0)
        assert metrics["multiplier/error"] == pytest.approx(metrics["train/cost"] - 5.0, abs=1e-5)
        terms = sum(metrics[f"multiplier/{term}"] for term in "pid")
        assert metrics["multiplier/value"] == pytest.approx(terms, abs=1e-6)
        price = metrics["multiplier/value"] * metrics["advantage/reward_std"]
        assert metrics["multiplier/shadow_price"] == pytest.approx(price, rel=1e-5)
        assert "multiplier/cost_scale" not in metrics


@pytest.mark.parametrize("target_kl", [1.0, 0.002])
def test_a_seed_comes_out_the_same_alone_and_among_others(target_kl: float) -> None:
    """With the small trust region, seeds stop their passes at different times."""
    among, among_rows = train(make_config((5, 6, 7), target_kl=target_kl, num_epochs=6), 3)
    alone, alone_rows = train(make_config((6,), target_kl=target_kl, num_epochs=6), 3)
    torch.testing.assert_close(among[1], alone[0], rtol=1e-5, atol=1e-6)
    for several, single in zip(among_rows, alone_rows, strict=True):
        assert several[1]["episode_costs"] == single[0]["episode_costs"]
        assert several[1]["metrics"]["policy/epochs"] == single[0]["metrics"]["policy/epochs"]
    if target_kl < 1.0:
        stops = {row["metrics"]["policy/epochs"] for rows in among_rows for row in rows}
        assert len(stops) > 1


def test_a_stopped_seed_keeps_its_networks_and_the_others_learn_as_before() -> None:
    at_start = train(make_config((5, 6, 7)), 0)[0]
    everyone, _ = train(make_config((5, 6, 7)), 3)
    without_one, _ = train(make_config().seeds((5, 6, 7), stopped=(6,)), 3)
    assert torch.equal(without_one[1], at_start[1])
    assert torch.equal(without_one[[0, 2]], everyone[[0, 2]])
    assert not torch.equal(everyone[1], at_start[1])


@pytest.mark.parametrize("scale_invariance", ["off", "iteration", "minibatch"])
def test_continued_from_a_checkpoint_it_trains_on_bit_for_bit(tmp_path: Path, scale_invariance: str) -> None:
    config = make_config(cost_window=30, scale_invariance=scale_invariance)
    straight = config.copy(copy_frozen=False).build_algo()
    for _ in range(2):
        straight.train()
    straight.save_to_path(tmp_path / "checkpoint")
    expected = [without_times(straight.train()["seed_rows"]) for _ in range(3)]
    resumed = config.copy(copy_frozen=False).resume(str(tmp_path / "checkpoint")).build_algo()
    assert [without_times(resumed.train()["seed_rows"]) for _ in range(3)] == expected
    assert torch.equal(networks(straight), networks(resumed))
    for name in ("_sums", "normalizer"):
        ours, theirs = (getattr(a.env_runner, name) for a in (straight, resumed))
        np.testing.assert_equal(vars(ours), vars(theirs))
    straight.stop()
    resumed.stop()


def test_a_checkpoint_of_a_resumed_run_stands_alone(tmp_path: Path) -> None:
    first = make_config().build_algo()
    first.train()
    first.save_to_path(tmp_path / "first")
    second = make_config().resume(str(tmp_path / "first")).build_algo()
    second.train()
    second.save_to_path(tmp_path / "second")
    (tmp_path / "first").rename(tmp_path / "gone")
    third = PPOLagrangian.from_checkpoint(str(tmp_path / "second"))
    assert third.iteration == 2
    assert torch.equal(networks(third), networks(second))
    for algorithm in (first, second, third):
        algorithm.stop()


@pytest.mark.parametrize(
    "other",
    [
        make_config((2, 3)),
        make_config().lagrangian(update="ga"),
        make_config().lagrangian(cost_limit={"even": 5.0}),
    ],
    ids=["seeds", "update", "costs"],
)
def test_a_checkpoint_is_continued_only_by_what_wrote_it(tmp_path: Path, other: PPOLagrangianConfig) -> None:
    algorithm = make_config().build_algo()
    algorithm.save_to_path(tmp_path / "checkpoint")
    algorithm.stop()
    with pytest.raises(ValueError, match="a checkpoint continues what wrote it"):
        other.resume(str(tmp_path / "checkpoint")).build_algo()


@pytest.mark.parametrize("scale_invariance", ["off", "minibatch"])
def test_the_fused_path_trains_as_the_autograd_path(scale_invariance: str) -> None:
    """Without the invariance by compiled code, with it by the hand-written pass in torch."""
    fused, _ = train(make_config(scale_invariance=scale_invariance).paths(gradient="fused"), 2)
    plain, _ = train(make_config(scale_invariance=scale_invariance).paths(gradient="autograd"), 2)
    torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-5)


def test_worker_processes_change_no_number_and_end_with_the_algorithm() -> None:
    config = make_config().environment("tests.environments.walk:WorkersWalk-v0")
    alone, rows = train(config.copy(copy_frozen=False), 2)
    shared = config.paths(env_workers=2).build_algo()
    assert len(multiprocessing.active_children()) == 2
    assert [without_times(shared.train()["seed_rows"]) for _ in range(2)] == [without_times(row) for row in rows]
    assert torch.equal(networks(shared), alone)
    shared.stop()
    assert multiprocessing.active_children() == []


def test_a_state_of_the_fast_path_goes_on_with_new_episodes_on_the_general_one() -> None:
    config = make_config(seeds=(0,), steps_per_iteration=64, num_envs=1).environment("Circle1")
    fast = StackedEnvRunner(config=config)
    fast.sample()
    general = StackedEnvRunner(config=config.copy(copy_frozen=False).paths(env="general"))
    general.set_state(fast.get_state())
    np.testing.assert_equal(tuple(general.normalizer.moments), tuple(fast.normalizer.moments))
    assert general.sample().observations.shape == (65, 1, 1, 28)


def test_with_multiplier_zero_the_limit_changes_nothing() -> None:
    strict, loose = (
        train(make_config().lagrangian(update="fixed", multiplier=0.0, cost_limit=limit), 2)[0] for limit in (0.0, 99.0)
    )
    assert torch.equal(strict, loose)


def test_a_fixed_multiplier_changes_the_policy_but_not_the_critics() -> None:
    zero, one = (train(make_config().lagrangian(update="fixed", multiplier=m), 1)[0] for m in (0.0, 1.0))
    assert not torch.equal(zero[:, 0], one[:, 0])
    assert torch.equal(zero[:, 1:], one[:, 1:])


def test_the_policys_step_size_falls_linearly_over_the_budget() -> None:
    algorithm = make_config().build_algo()
    lrs = algorithm.learner_group._learner._adam.lrs
    seen = []
    for _ in range(3):
        algorithm.train()
        seen.append((float(lrs[0]), float(lrs[1])))
    algorithm.stop()
    # 400 of 4 000 steps an iteration: factors 1, 0.9, 0.8; the critics' step size stays.
    assert seen == [(pytest.approx(3e-4 * factor), 3e-4) for factor in (1.0, 0.9, 0.8)]


def test_remote_runners_share_the_environments_of_every_seed() -> None:
    algorithm = make_config().env_runners(num_env_runners=2, num_cpus_per_env_runner=0.5).build_algo()
    rows = [algorithm.train()["seed_rows"] for _ in range(2)]
    held = algorithm.env_runner_group.foreach_env_runner(lambda runner: runner.env.env_seeds, local_env_runner=False)
    algorithm.stop()
    assert [len(row["episode_returns"]) for row in rows[0]] == [20, 20]
    assert rows[1][0]["env_steps"] == 800
    # Side by side, the runners hold the environments that one would: 4 of each of 2 seeds.
    together = np.concatenate([seeds.reshape(2, 2) for seeds in held], axis=1).ravel()
    np.testing.assert_array_equal(together, seed_environments([0, 1], 4))


def test_statistics_of_remote_runners_are_merged() -> None:
    algorithm = make_config().env_runners(num_env_runners=2, num_cpus_per_env_runner=0.5).build_algo()
    for _ in range(2):
        algorithm.train()
    # Two iterations of 400 observations; every seed counts its own.
    np.testing.assert_array_equal(algorithm.env_runner.normalizer.moments.number, [800.0, 800.0])
    algorithm.stop()


def test_a_killed_runner_never_shrinks_a_batch() -> None:
    algorithm = make_config().env_runners(num_env_runners=2, num_cpus_per_env_runner=0.5).build_algo()
    algorithm.train()
    processes = algorithm.env_runner_group.foreach_env_runner(lambda runner: os.getpid(), local_env_runner=False)
    assert os.getpid() not in processes
    os.kill(processes[0], signal.SIGKILL)
    with pytest.raises(LostEnvRunnerError, match="last checkpoint"):
        algorithm.train()
    algorithm.stop()


def test_a_seed_that_is_no_longer_finite_is_named(algorithm: PPOLagrangian) -> None:
    with torch.no_grad():
        algorithm.learner_group._learner._networks.matrix.view(2, 3, -1)[1, 1, 0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"seeds \[1\]"):
        algorithm.train()


def test_the_invariance_changes_the_policy_but_not_the_critics_of_one_iteration() -> None:
    # By one path: compiled code and torch's calls round differently.
    base = make_config(scale_invariance="minibatch").lagrangian(update="fixed", multiplier=1.0)
    plain = make_config().lagrangian(update="fixed", multiplier=1.0)
    base, plain = (config.paths(gradient="autograd") for config in (base, plain))
    (with_it, rows), (without, _) = train(base, 1), train(plain, 1)
    assert not torch.equal(with_it[:, 0], without[:, 0])
    assert torch.equal(with_it[:, 1:], without[:, 1:])
    assert rows[-1][0]["metrics"]["multiplier/cost_scale"] > 0.0
