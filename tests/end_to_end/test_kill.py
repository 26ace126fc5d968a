"""Whatever happens to a study's processes, it ends as if nothing had happened: real processes, real signals."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from sweeps.records import State, Trial
from sweeps.running.scratch import scratch_folder
from sweeps.study import Study, create_study
from tests.end_to_end.drivers import (
    SPEC,
    STEPS,
    assert_same,
    finish,
    iterations_of,
    log_of,
    start_driver,
    wait_until,
    workers_of,
)
from tests.postgres import postgres_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # of MLflow's client, which only reads here
]

POINTS = [  # in one study, one after the other: each driver goes on where the one before was killed
    *(("before-ask", 1), ("after-ask", 2), ("before-start", 1), ("after-start", 1)),
    *(("before-result", 4), ("after-result", 4), ("before-log", 6), ("after-log", 6)),
    *(("before-checkpoint", 2), ("after-checkpoint", 2), ("before-ship", 5), ("after-ship", 5)),
    *(("before-tell", 1), ("after-tell", 1)),
]


def lost_steps(study: Study, before: list[Trial]) -> int:
    """Env steps of a seed, at most, that a driver had reported and the next one trains again."""
    reached = {trial.number: trial.seed_runs[0].env_steps for trial in before}
    starts = {execution.trial: execution.resume_from for execution, _, _ in study._ledger.executions(1)}
    lost = [0]
    for number, path in starts.items():
        start = 0 if path is None else STEPS * int(Path(path).name.split("-i")[1])
        lost.append(reached.get(number, 0) - start)
    return max(lost)


def test_a_driver_killed_at_every_point_loses_and_repeats_nothing(undisturbed: Study, tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)
    for point, count in POINTS:
        before = study.trials
        assert start_driver(study, "resume", point, str(count)).wait() == -signal.SIGKILL, (point, log_of(study))
        assert study.holder is None, point
        # A checkpoint comes every 800 steps, and its rows may arrive after it.
        assert lost_steps(study, before) <= 800 + STEPS, point

    finish(study, "resume")

    assert_same(study, undisturbed)
    status = study.status()
    assert status.kills > 0
    assert status.lost_s > 0.0
    assert any(execution.resume_from for execution, _, _ in study._ledger.executions(1))


def progressed(share: float) -> Callable[[list[Trial]], bool]:
    return lambda trials: iterations_of(trials) > share * 6 * 20


def all_have_checkpoints(trials: list[Trial]) -> bool:
    """Whether every trial that runs is past its first checkpoint, which is taken after 800 env steps."""
    running = [run for trial in trials if trial.state is State.RUNNING for run in trial.seed_runs]
    return bool(running) and all(run.env_steps > 800 for run in running)


def test_a_killed_worker_costs_its_trial_one_attempt(undisturbed: Study, tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)
    driver = start_driver(study)
    wait_until(study, driver, all_have_checkpoints)
    workers_of(driver)[0].kill()

    assert driver.wait() == 0, log_of(study)

    assert_same(study, undisturbed)
    (lost,) = [(execution, failure) for execution, state, failure in executions_of(study) if state is State.FAIL]
    assert (lost[1] or "").startswith("worker lost: ActorDiedError: ")
    again = [execution for execution, _, _ in executions_of(study) if execution.trial == lost[0].trial]
    assert [execution.attempt for execution in again] == [1, 2]
    assert again[1].resume_from is not None
    assert study.status().kills == 1


def executions_of(study: Study) -> list:
    return study._ledger.executions(1)


def test_stopped_and_interrupted_drivers_leave_nothing_running_and_a_checkpoint_of_the_last_iteration(
    undisturbed: Study, tmp_path: Path
) -> None:
    study = create_study(SPEC, tmp_path)
    for end, share in (("stop", 0.1), (signal.SIGINT, 0.3), (signal.SIGTERM, 0.5)):
        driver = start_driver(study, "resume")
        wait_until(study, driver, progressed(share))
        if end == "stop":
            assert study.stop(timeout_s=120.0)
        else:
            driver.send_signal(end)
        assert (driver.wait(timeout=120) == 0) == (end == "stop"), log_of(study)
        assert study.holder is None
        counts = study.status().counts
        assert (counts[State.RUNNING], counts[State.FAIL]) == (0, 0)
        before = {trial.number: trial.seed_runs[0].iterations for trial in study.trials}
        last = {execution.trial: (execution, failure) for execution, _, failure in executions_of(study)}
        for number, (execution, failure) in last.items():
            if failure == "interrupted":
                folder = Path(study.checkpoints) / f"t{number:04d}"
                assert (folder / f"a{execution.attempt}-i{before[number]:06d}").exists()

    finish(study, "resume")

    assert "as `lagsweep stop` asks" in log_of(study)
    assert_same(study, undisturbed)


def test_a_second_ctrl_c_ends_at_once_and_loses_the_running_iterations_only(undisturbed: Study, tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)
    driver = start_driver(study)
    wait_until(study, driver, progressed(0.3))
    workers = workers_of(driver)
    for worker in workers:
        worker.suspend()  # an iteration that takes for ever

    os.killpg(driver.pid, signal.SIGINT)  # to the whole group, as a terminal does
    deadline = time.monotonic() + 60.0
    while "Ctrl-C again stops now" not in log_of(study):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        driver.wait(timeout=5.0)
    running = study.status().counts[State.RUNNING]
    assert running > 0  # it may end the iteration that it is in

    os.killpg(driver.pid, signal.SIGINT)
    assert driver.wait(timeout=60.0) == -signal.SIGINT, log_of(study)
    for worker in workers:
        if worker.is_running():
            worker.resume()  # to find that its driver has gone
    assert study.holder is None
    counts = study.status().counts
    assert (counts[State.RUNNING], counts[State.FAIL]) == (0, 0)
    assert [failure for _, _, failure in executions_of(study)].count("interrupted") == running
    before = study.trials

    finish(study, "resume")

    assert lost_steps(study, before) <= 800 + STEPS
    assert_same(study, undisturbed)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with scratch_folder() as folder:
        head = {"num_cpus": 0, "temp_dir": str(folder), "object_store_memory": 100 * 2**20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        yield cluster
        cluster.shutdown()


def test_a_lost_node_costs_its_trial_one_attempt(cluster: Cluster, undisturbed: Study, tmp_path: Path) -> None:
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20) for _ in range(2)]
    study = create_study(SPEC, tmp_path)
    driver = start_driver(study, RAY_ADDRESS=cluster.address)
    wait_until(study, driver, progressed(0.2))

    cluster.remove_node(nodes[0], allow_graceful=False)

    assert driver.wait() == 0, log_of(study)
    assert_same(study, undisturbed)
    assert any((failure or "").startswith("node lost: ") for _, _, failure in executions_of(study))


def test_a_study_outlives_a_restart_of_its_postgresql(
    undisturbed: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_server() as server:
        monkeypatch.setenv("LAGSWEEP_LEDGER", server.create_database())
        study = create_study(SPEC, tmp_path)
        driver = start_driver(study)
        wait_until(study, driver, progressed(0.2))
        server.stop()
        server.start()

        assert driver.wait() == 0, log_of(study)

        assert "The ledger's database does not answer" in log_of(study)
        assert_same(study, undisturbed)
        study._ledger.close()
