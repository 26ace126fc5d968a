"""A worker's side of an execution, with the real algorithm on an analytic task."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray.train._internal.storage import StorageContext

from algorithms.errors import NonFiniteError
from sweeps.records import Execution, ResultRow
from sweeps.running.checkpoints import Cadence, CheckpointStore
from sweeps.running.execution import ASSIGNMENT, Assignment, ExecutionTrainable, Job, Start, build_algorithm, result_row
from sweeps.spec import StudySpec

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of RLlib's own, about its old API stack
]

SPEC = StudySpec.model_validate(
    {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 1000,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 200, "num_envs": 2, "num_epochs": 2, "minibatch_size": 64},
        "lagrangian": {"update": "pid"},
    }
)


@pytest.fixture(autouse=True)
def _stay_in_this_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "0")


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    execution = Execution(id=1, trial=0, attempt=1, seeds=(0, 1))
    job = Job(execution, SPEC.resolve("pid", {}), str(tmp_path / "t0000"))
    return Assignment((job,), Cadence(seconds=math.inf))


def worker(assignment: Assignment, folder: Path) -> ExecutionTrainable:
    storage = StorageContext(storage_path=str(folder), experiment_dir_name="study", trial_dir_name="trial")
    return ExecutionTrainable(config={ASSIGNMENT: assignment}, storage=storage)


def next_attempt(assignment: Assignment) -> Assignment:
    execution = assignment.first.execution
    return with_job(assignment, execution=replace(execution, attempt=execution.attempt + 1))


def with_job(assignment: Assignment, **changes: Any) -> Assignment:
    return replace(assignment, jobs=(replace(assignment.first, **changes),))


def train(trainable: ExecutionTrainable, iterations: int) -> list[dict[str, Any]]:
    return [trainable.train() for _ in range(iterations)]


def numbers(row: ResultRow) -> tuple[Any, ...]:
    """What of a row must not depend on when, where and in which attempt it was computed."""
    metrics = {key: value for key, value in row.metrics.items() if not key.startswith("time/")}
    return row.seed, row.iteration, row.env_steps, metrics, row.episode_returns, row.episode_costs


def test_the_environments_are_of_the_path_that_is_assigned(assignment: Assignment) -> None:
    algorithm = build_algorithm(replace(assignment, env_path="general"))
    assert algorithm.config is not None
    assert algorithm.config["env_path"] == "general"
    algorithm.stop()


def test_an_execution_stopped_and_continued_gives_the_rows_of_an_undisturbed_one(
    assignment: Assignment, tmp_path: Path
) -> None:
    undisturbed = worker(with_job(assignment, checkpoints=str(tmp_path / "other")), tmp_path)
    reports = train(undisturbed, 5)
    undisturbed.stop()
    expected = [numbers(row) for report in reports for row in report["rows"]]

    first = worker(assignment, tmp_path)
    before = train(first, 2)
    continued = next_attempt(assignment)
    first.reset({ASSIGNMENT: continued}, storage=first._storage)  # as Tune hands a warm worker its next execution
    after = train(first, 3)
    first.stop()

    # The first report after the restart begins with the checkpoint's rows, which may have been lost.
    assert [row.iteration for row in after[0]["rows"]] == [2, 2, 3, 3]
    assert after[0]["rows"][:2] == before[1]["rows"]
    assert before[0]["starts"] == (Start(None, None),)
    assert after[0]["starts"] == (Start(str(tmp_path / "t0000" / "a1-i000002"), before[1]["rows"][0].time),)
    assert after[1]["starts"] is None
    rows = [row for report in before for row in report["rows"]]
    rows += [row for report in after for row in report["rows"] if row.attempt == 2]
    assert [numbers(row) for row in rows] == expected
    assert [report["complete"] for report in (*before, *after)] == [False, False, False, False, True]
    assert [report["done"] for report in (*before, *after)] == [False, False, False, False, True]


def test_a_stopped_seed_reports_nothing_more_and_changes_nothing_for_the_others(
    assignment: Assignment, tmp_path: Path
) -> None:
    undisturbed = worker(with_job(assignment, checkpoints=str(tmp_path / "other")), tmp_path)
    expected = [numbers(row) for report in train(undisturbed, 5) for row in report["rows"] if row.seed == 1]
    undisturbed.stop()

    first = worker(assignment, tmp_path)
    before = train(first, 2)
    first.reset({ASSIGNMENT: with_job(next_attempt(assignment), stopped=(0,))}, storage=first._storage)
    after = train(first, 3)
    first.stop()
    again = worker(with_job(next_attempt(next_attempt(assignment)), stopped=(0,)), tmp_path)
    (last,) = train(again, 1)  # a checkpoint of a group with a stopped seed opens again
    again.stop()

    reported = [row for report in after for row in report["rows"]]
    assert {row.seed for row in reported} == {1}
    rows = [row for report in before for row in report["rows"] if row.seed == 1]
    assert [numbers(row) for row in rows + [row for row in reported if row.attempt == 2]] == expected
    assert [report["complete"] for report in after] == [False, False, True]
    assert (last["complete"], last["rows"]) == (True, after[-1]["rows"])


def test_a_complete_checkpoint_is_reported_without_training(assignment: Assignment, tmp_path: Path) -> None:
    first = worker(assignment, tmp_path)
    last = train(first, 5)[-1]
    first.stop()

    second = worker(next_attempt(assignment), tmp_path)
    (report,) = train(second, 1)
    second.stop()

    assert report["complete"]
    assert report["rows"] == last["rows"]
    assert second._algorithm is None
    assert CheckpointStore(tmp_path / "t0000", (0, 1)).newest() == str(tmp_path / "t0000" / "a1-i000005")


def test_takes_checkpoints_by_env_steps_and_keeps_two(assignment: Assignment, tmp_path: Path) -> None:
    trainable = worker(replace(assignment, cadence=Cadence(env_steps=400, seconds=math.inf)), tmp_path)
    train(trainable, 5)
    trainable.stop()

    assert sorted(path.name for path in (tmp_path / "t0000").iterdir()) == ["a1-i000004", "a1-i000005"]


def test_a_failed_iteration_raises_its_cause_and_leaves_no_checkpoint(assignment: Assignment, tmp_path: Path) -> None:
    run = assignment.first.run
    diverging = run.model_copy(update={"parameters": run.parameters.model_copy(update={"actor_lr": 1e30})})
    trainable = worker(with_job(assignment, run=diverging), tmp_path)

    with pytest.raises(NonFiniteError, match="seed"):
        train(trainable, 5)
    trainable.stop()

    assert CheckpointStore(tmp_path / "t0000", (0, 1)).newest() is None


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"metrics": {"train/return": math.nan}}, "train/return is nan"),
        ({"episode_returns": [1.0, math.inf]}, "the return of an episode is inf"),
        ({"episode_costs": {"hazards": [math.nan]}}, "the hazards of an episode is nan"),
    ],
)
def test_a_row_that_is_not_finite_names_seed_iteration_and_number(change: dict[str, Any], what: str) -> None:
    row = {"seed": 3, "iteration": 7, "env_steps": 10, "metrics": {}, "episode_returns": [], "episode_costs": {}}

    with pytest.raises(NonFiniteError, match=f"seed 3, iteration 7: {what}"):
        result_row(Execution(1, 0, 1, (3,)), row | change, 0.0)
