"""Worker processes give the numbers and the errors of the adapter in one process, and end with it."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from environments import worker_processes
from environments.gymnasium_batch import GymnasiumBatch
from environments.make import make_batch
from environments.worker_processes import WorkerDiedError
from tests.contracts.env_batch import EnvBatchContract, MakeBatch, roll

WALK = "tests.environments.walk:WorkersWalk-v0"


def in_workers(env_id: str, rows: int, num_workers: int = 2) -> GymnasiumBatch:
    return GymnasiumBatch(env_id, num_envs=rows, env_seeds=np.arange(rows), num_workers=num_workers)


def pids_of(batch: GymnasiumBatch) -> list[int]:
    assert batch._workers is not None
    return [worker._process.pid or 0 for worker in batch._workers._workers]


def assert_same(one: GymnasiumBatch, other: GymnasiumBatch, steps: int) -> None:
    np.testing.assert_array_equal(one.reset(), other.reset())
    ends = 0
    for step, same in zip(roll(one, steps), roll(other, steps), strict=True):
        for array, equal in zip(step, same, strict=True):
            assert array.dtype == equal.dtype
            np.testing.assert_array_equal(array, equal)
        ends += int(step.terminated.sum() + step.truncated.sum())
    assert ends > 0


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


def test_workers_give_the_numbers_of_one_process() -> None:
    shared = in_workers(WALK, 5)  # blocks of 3 and 2
    assert_same(GymnasiumBatch(WALK, num_envs=5, env_seeds=np.arange(5)), shared, steps=30)
    shared.close()


def test_workers_give_the_numbers_of_one_process_on_a_velocity_task() -> None:
    tasks: Any = {"task": "HopperVelocity", "num_envs": 2, "seeds": [3]}
    shared = make_batch(**tasks, num_workers=2)
    assert_same(make_batch(**tasks), shared, steps=40)  # type: ignore[arg-type]
    shared.close()


def test_a_worker_more_than_rows_is_not_started() -> None:
    batch = in_workers(WALK, 1, num_workers=3)
    assert len(pids_of(batch)) == 1
    batch.close()


def test_a_missing_cost_in_a_worker_is_the_error_of_one_process() -> None:
    silent = "tests.environments.walk:WalkSilent-v0"
    batches = GymnasiumBatch(silent, num_envs=4, env_seeds=np.arange(4)), in_workers(silent, 4)
    raised: list[str] = []
    for batch in batches:
        batch.reset()
        with pytest.raises(ValueError, match=r"`info\['cost'\]` must hold a cost") as caught:
            batch.step(np.array([[0.0], [0.0], [0.0], [1.0]]))  # the second worker's second row
        raised.append(str(caught.value))
        batch.close()
    assert raised[0] == raised[1]
    assert f"environment 3 ({silent}) at step 1" in raised[1]


def test_after_an_error_workers_still_answer_the_question_they_are_asked() -> None:
    batch = in_workers("tests.environments.walk:WalkRaises-v0", 3, num_workers=2)
    batch.reset()
    bad = np.array([[0.0], [0.0], [1.0]])
    # What pickling would lose keeps its name and its text.
    with pytest.raises(RuntimeError, match=r"^UnpicklableError: this and that$"):
        batch.step(bad)
    assert batch.step(np.full((3, 1), 0.25)).rewards.tolist() == [0.25, 0.25, 0.25]
    with pytest.raises(ValueError, match="environment 2 got"):
        batch.step(np.where(bad == 1.0, np.nan, bad))
    batch.close()


def test_what_a_worker_cannot_build_is_the_error_and_leaves_no_process() -> None:
    # Registered in this process alone.
    import gymnasium

    from tests.environments.walk import Walk

    gymnasium.register("OnlyHere-v0", entry_point=Walk)
    with pytest.raises(RuntimeError, match=r"^UnknownTaskError: `task` must be a known task.*'OnlyHere-v0'"):
        in_workers("OnlyHere-v0", 2)


def test_a_killed_worker_is_named() -> None:
    batch = in_workers(WALK, 3)
    batch.reset()
    second = pids_of(batch)[1]
    os.kill(second, signal.SIGKILL)
    with pytest.raises(
        WorkerDiedError, match=rf"worker process 1 \(pid {second}, environments 2 to 2\) was killed by SIGKILL"
    ):
        batch.step(np.zeros((3, 1)))
    batch.close()


def test_closing_ends_every_process_and_may_be_repeated() -> None:
    batch = in_workers(WALK, 2)
    pids = pids_of(batch)
    assert all(psutil.pid_exists(pid) for pid in pids)
    batch.close()
    batch.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_closing_ends_a_process_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = in_workers("tests.environments.walk:WalkHangs-v0", 1, num_workers=1)
    batch.reset()
    (pid,) = pids_of(batch)
    assert batch._workers is not None
    batch._workers._workers[0].send(np.ones((1, 1)))
    monkeypatch.setattr(worker_processes, "_PATIENCE_S", 0.3)
    batch.close()
    assert not psutil.pid_exists(pid)


def test_ctrl_c_leaves_workers_to_their_parent() -> None:
    batch = in_workers(WALK, 1, num_workers=1)
    os.kill(pids_of(batch)[0], signal.SIGINT)
    assert batch.reset().shape == (1, 2)
    batch.close()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_workers_serve_inside_a_ray_actor_and_end_with_it() -> None:
    import ray

    def run(num_workers: int) -> tuple[list[int], np.ndarray]:
        batch = make_batch("HopperVelocity", num_envs=2, seeds=[3], num_workers=num_workers)
        batch.reset()
        steps = [batch.step(np.zeros((2, 3))).observations for _ in range(40)]
        return [child.pid for child in multiprocessing.active_children()], np.stack(steps)

    @ray.remote(num_cpus=0)
    class Actor:
        def run(self, num_workers: int) -> tuple[list[int], np.ndarray]:
            return run(num_workers)

    actor = Actor.remote()
    pids, observations = ray.get(actor.run.remote(2))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(observations, run(0)[1])
    assert len(pids) == 2
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    ray.kill(actor)
    _, alive = psutil.wait_procs(processes, timeout=20.0)
    assert alive == []


@pytest.mark.slow
class TestAWalkInWorkers(EnvBatchContract):
    steps_to_an_end = 60
    truncates_only = False

    @pytest.fixture
    def make(self) -> Iterator[MakeBatch]:
        made: list[GymnasiumBatch] = []

        def make(env_seeds: list[int]) -> GymnasiumBatch:
            seeds = np.array(env_seeds)
            made.append(GymnasiumBatch(WALK, num_envs=len(seeds), env_seeds=seeds, num_workers=2))
            return made[-1]

        yield make
        for batch in made:
            batch.close()
