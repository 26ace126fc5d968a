from pathlib import Path

import numpy as np
import pytest
import torch

import algorithms.sac_lagrangian.replay_files as replay_files
from algorithms.rollout import Episodes
from algorithms.sac_lagrangian.replay import ReplayBuffer, Transitions
from algorithms.sac_lagrangian.replay_files import ReplayFiles, steps_per_block

SEEDS, ENVS = 2, 3


class Clock:
    """Environments whose observation counts: 1000 · seed + 100 · environment + step, new episodes every 5 steps.

    An episode's last observation is the count it would have gone on with, plus a half.
    """

    def __init__(self) -> None:
        self.step = 0

    def observations(self) -> torch.Tensor:
        seeds, envs = torch.meshgrid(torch.arange(SEEDS), torch.arange(ENVS), indexing="ij")
        return (1000.0 * seeds + 100.0 * envs + self.step).unsqueeze(-1)

    def transitions(self, num: int) -> Transitions:
        seen, ended = [self.observations()], []
        for _ in range(num):
            self.step += 1
            ended.append(self.step % 5 == 0)
            seen.append(self.observations())
        observations = torch.stack(seen)
        ends = torch.tensor(ended).view(-1, 1, 1).expand(num, SEEDS, ENVS)
        terminated = ends.clone()
        terminated[:, 1] = False  # seed 0 terminates, seed 1 is truncated
        at = np.stack([axis.numpy() for axis in ends.nonzero(as_tuple=True)])
        last = observations[1:][ends].numpy() + 0.5
        counts = observations[:-1].squeeze(-1)
        return Transitions(
            observations=observations,
            actions=observations[:-1] / 10.0,
            rewards=counts,
            costs=2.0 * observations[:-1],
            terminated=terminated,
            truncated=ends & ~terminated,
            ended_at=at,
            last_observations=last,
            episodes=Episodes.none(1),
        )


def make_buffer(capacity: int = 11) -> ReplayBuffer:
    return ReplayBuffer(capacity, SEEDS, ENVS, observation_size=1, action_size=1, num_costs=1)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def filled(buffer: ReplayBuffer, *parts: int) -> ReplayBuffer:
    clock = Clock()
    for part in parts:
        buffer.add(clock.transitions(part))
    return buffer


@pytest.mark.parametrize("parts", [(4,), (1, 1, 1, 1), (9, 3), (7, 7, 7, 2)])
def test_rows_are_whole_transitions_of_their_seed_among_the_newest(parts: tuple[int, ...]) -> None:
    buffer = filled(make_buffer(), *parts)
    batch = buffer.sample(500, generators(1, 2))
    total = sum(parts)
    kept = range(max(total - 11, 0), total)
    assert len(buffer) == len(kept)
    for seed in range(SEEDS):
        counts = batch.rewards[seed]
        steps = counts % 100
        assert set(steps.int().tolist()) == set(kept)
        assert set((counts // 100).int().tolist()) == {10 * seed + env for env in range(ENVS)}
        torch.testing.assert_close(batch.observations[seed, :, 0], counts)
        torch.testing.assert_close(batch.actions[seed, :, 0], counts / 10.0)
        torch.testing.assert_close(batch.costs[seed, :, 0], 2.0 * counts)
        ended = (steps + 1) % 5 == 0
        torch.testing.assert_close(batch.next_observations[seed, :, 0], counts + 1.0 + 0.5 * ended)
        assert torch.equal(batch.terminated[seed], ended if seed == 0 else torch.zeros_like(ended))


def test_rows_are_drawn_uniformly() -> None:
    batch = filled(make_buffer(), 20).sample(33_000, generators(1, 2))
    counts = torch.bincount(batch.rewards[0].int())
    drawn = counts[counts > 0]
    assert len(drawn) == 33
    assert ((drawn - 1000).abs() < 6 * 1000**0.5).all()


def test_draws_of_a_seed_do_not_depend_on_other_seeds() -> None:
    buffer = filled(make_buffer(), 9)
    first, second = buffer.sample(20, generators(5, 6)), buffer.sample(20, generators(7, 6))
    assert torch.equal(first.rewards[1], second.rewards[1])
    assert not torch.equal(first.rewards[0], second.rewards[0])


def test_no_last_observation_outlives_its_step() -> None:
    clock, buffer = Clock(), make_buffer()
    for _ in range(60):
        buffer.add(clock.transitions(1))
        assert len(buffer.last_observations) <= 3 * SEEDS * ENVS  # three ends in at most twelve steps


def test_a_steps_bytes_are_those_of_its_arrays() -> None:
    # 4 bytes for each of observation, action, reward and cost, 1 for each of two flags: 18 a seed and environment.
    assert make_buffer().bytes_per_step == 18 * SEEDS * ENVS


def test_a_saved_buffer_draws_and_goes_on_as_the_one_it_was_saved_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_files, "BLOCK_BYTES", 4 * 18 * SEEDS * ENVS)
    clock, buffer, files = Clock(), make_buffer(), ReplayFiles(tmp_path / "kept")
    for part, name in ((6, "a"), (7, "b"), (9, "c")):
        buffer.add(clock.transitions(part))
        files.save(buffer, tmp_path / name)
    other, others_files = make_buffer(), ReplayFiles(tmp_path / "other")
    others_files.load(other, tmp_path / "c")
    more = clock.transitions(4)
    for _ in range(2):
        ours, theirs = buffer.sample(200, generators(1, 2)), other.sample(200, generators(1, 2))
        assert all(torch.equal(mine, its) for mine, its in zip(ours, theirs, strict=True))
        buffer.add(more)
        other.add(more)
    files.save(buffer, tmp_path / "d")
    others_files.save(other, tmp_path / "e")
    for path in (tmp_path / "d").iterdir():
        assert path.read_bytes() == (tmp_path / "e" / path.name).read_bytes()


def test_a_full_block_is_written_once_and_dropped_with_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_files, "BLOCK_BYTES", 4 * 18 * SEEDS * ENVS)
    clock, buffer, files = Clock(), make_buffer(), ReplayFiles(tmp_path / "kept")
    assert steps_per_block(buffer.bytes_per_step) == 4
    found: list[dict[str, int]] = []
    for name in ("a", "b", "c"):
        buffer.add(clock.transitions(6))
        files.save(buffer, tmp_path / name)
        found.append({path.name[6:14]: path.stat().st_ino for path in (tmp_path / name).glob("block-*")})
    # After 6, 12 and 18 steps in blocks of 4, of which the newest 11 are kept: steps 1 … 12 and 7 … 18.
    assert [sorted(int(block) for block in blocks) for blocks in found] == [[0, 1], [0, 1, 2], [1, 2, 3, 4]]
    assert found[0]["00000000"] == found[1]["00000000"]
    assert found[0]["00000001"] != found[1]["00000001"]  # it was not full yet
    assert found[1]["00000002"] == found[2]["00000002"]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        f"block-0000000{block}.safetensors" for block in (1, 2, 3)
    ]
