"""Several configurations in one process: each trains as it would alone, and leaves a checkpoint of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from algorithms.lagrangian_config import Member
from algorithms.parameters import PID, FixedMultiplier, GradientAscent
from algorithms.ppo_lagrangian import PPOLagrangian, PPOLagrangianConfig
from algorithms.ppo_lagrangian.members import member_config

pytestmark = pytest.mark.usefixtures("local_ray")

MEMBERS = (
    Member(PID(kp=0.5), {"cost": 5.0}),
    Member(GradientAscent(lr=0.3), {"cost": 8.0}),
    Member(FixedMultiplier(multiplier=0.7), {"cost": 5.0}),
)


def make_config(task: str = "analytic/bandit", **parameters: Any) -> PPOLagrangianConfig:
    small = {"steps_per_iteration": 400, "num_envs": 4, "num_epochs": 6, "minibatch_size": 64, "target_kl": 0.01}
    return (
        PPOLagrangianConfig()
        .environment(task)
        .training(**small | {"cost_window": 30} | parameters)
        .seeds((3, 4))
        .budget(env_steps=4_000)
        .pack(MEMBERS)
    )


def networks(algorithm: PPOLagrangian) -> torch.Tensor:
    """`[R, K, q]`; the parameters of every run."""
    module = algorithm.learner_group._learner._networks
    return module.matrix.detach().clone().view(module.num_seeds, module.num_networks, -1)


def train(algorithm: PPOLagrangian, iterations: int) -> list[list[dict[str, Any]]]:
    """Rows of each iteration, without what depends on the clock."""
    return [
        [{**row, "metrics": {k: v for k, v in row["metrics"].items() if "time/" not in k}} for row in rows]
        for rows in (algorithm.train()["seed_rows"] for _ in range(iterations))
    ]


def of_member(iterations: list[list[dict[str, Any]]], member: int) -> list[list[dict[str, Any]]]:
    """The rows of a member as it alone would report them."""
    return [[{**row, "member": 0} for row in rows if row["member"] == member] for rows in iterations]


def save(pack: PPOLagrangian, folder: Path) -> list[str]:
    """A checkpoint of each member; their folders."""
    folders = [folder / f"member-{index}" for index in range(len(MEMBERS))]
    for write, path in zip(pack.member_savers(), folders, strict=True):
        write(path)
    return [str(path) for path in folders]


@pytest.fixture
def pack() -> Iterator[PPOLagrangian]:
    algorithm = make_config().build_algo()
    yield algorithm
    algorithm.stop()


@pytest.mark.parametrize(
    "parameters",
    [{}, {"scale_invariance": "iteration", "normalize_observations": False}],
    ids=["difference", "invariance"],
)
def test_each_configuration_of_a_pack_trains_as_it_would_alone_bit_for_bit(parameters: dict[str, Any]) -> None:
    together = make_config(**parameters).build_algo()
    packed = train(together, 3)
    for member in range(len(MEMBERS)):
        alone = member_config(make_config(**parameters), member).build_algo()
        assert train(alone, 3) == of_member(packed, member)
        assert torch.equal(networks(together)[2 * member : 2 * member + 2], networks(alone))
        alone.stop()
    together.stop()
    last = {row["member"]: row["metrics"]["multiplier/value"] for row in packed[-1]}
    assert len(set(last.values())) == 3  # they do differ


@pytest.mark.parametrize("member", [0, 1, 2])
def test_a_configuration_goes_on_alone_from_its_own_checkpoint(
    pack: PPOLagrangian, tmp_path: Path, member: int
) -> None:
    train(pack, 2)
    alone = PPOLagrangian.from_checkpoint(save(pack, tmp_path)[member])
    assert alone.iteration == 2
    assert alone.config.packed == ()
    assert torch.equal(networks(alone), networks(pack)[2 * member : 2 * member + 2])
    assert train(alone, 2) == of_member(train(pack, 2), member)
    alone.stop()


def test_a_pack_goes_on_from_the_checkpoints_of_its_configurations(pack: PPOLagrangian, tmp_path: Path) -> None:
    train(pack, 2)
    folders = save(pack, tmp_path)
    # One of them was trained by itself for those two iterations, which nobody can tell.
    alone = member_config(make_config(), 1).build_algo()
    train(alone, 2)
    alone.save_to_path(str(tmp_path / "alone"))
    alone.stop()
    resumed = make_config().pack(MEMBERS, [folders[0], str(tmp_path / "alone"), folders[2]]).build_algo()
    assert resumed.iteration == 2
    assert train(resumed, 2) == train(pack, 2)
    assert torch.equal(networks(resumed), networks(pack))
    for name in ("_sums", "normalizer"):
        ours, theirs = (getattr(a.env_runner, name) for a in (pack, resumed))
        np.testing.assert_equal(vars(ours), vars(theirs))
    resumed.stop()


def test_a_checkpoint_of_another_configuration_is_refused(pack: PPOLagrangian, tmp_path: Path) -> None:
    folders = save(pack, tmp_path)
    with pytest.raises(ValueError, match="a checkpoint continues what wrote it"):
        make_config().pack(MEMBERS, [folders[1], folders[0], folders[2]]).build_algo()


def test_the_fast_path_saves_each_configurations_own_environments(tmp_path: Path) -> None:
    config = make_config("Circle1", steps_per_iteration=128, num_envs=1, num_epochs=1, cost_window="iteration")
    pack = config.copy(copy_frozen=False).build_algo()
    train(pack, 1)
    resumed = config.copy(copy_frozen=False).pack(MEMBERS, save(pack, tmp_path)).build_algo()
    assert train(resumed, 1) == train(pack, 1)
    for algorithm in (pack, resumed):
        algorithm.stop()


def test_hundreds_of_runs_train_in_one_process() -> None:
    """100 configurations × 2 seeds: what is done once a run alone is done once a run among 200."""
    members = [Member(FixedMultiplier(multiplier=index / 100), {"cost": 5.0}) for index in range(100)]
    tiny = {"steps_per_iteration": 64, "num_envs": 2, "num_epochs": 1, "hidden_sizes": (8,)}
    config = make_config(**tiny).pack(members)
    pack = config.copy(copy_frozen=False).build_algo()
    (rows,) = train(pack, 1)
    assert len(rows) == 200
    alone = member_config(config, 73).build_algo()
    assert train(alone, 1) == of_member([rows], 73)
    assert torch.equal(networks(alone), networks(pack)[146:148])
    for algorithm in (alone, pack):
        algorithm.stop()


@pytest.mark.parametrize(
    ("members", "checkpoints", "rule"),
    [
        ((MEMBERS[0], Member(PID(), {"even": 1.0})), (), "members of a pack limit the same costs"),
        (MEMBERS, ("a",), "got 1 for 3 members"),
    ],
)
def test_packs_that_cannot_be_are_refused(members: Any, checkpoints: tuple[str, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        make_config().pack(members, checkpoints)
