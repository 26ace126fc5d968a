"""What the searcher hands to Tune, and when it says that it is finished."""

import functools
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher
from sqlalchemy import event

from sweeps.ledger import Ledger, NewTrial, SeedProgress, Writer, driving
from sweeps.records import Execution, Interval, ResultRow, State
from sweeps.running.checkpoints import Cadence, CheckpointStore
from sweeps.running.execution import ASSIGNMENT, Job
from sweeps.running.searcher import ExecutionSearcher
from sweeps.running.stopping import Stop
from sweeps.spec import StudySpec

SPEC = StudySpec.model_validate(
    {
        "name": "two-arms",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 20_000,
        "seeds": 2,
        "arms": {
            "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 0.5]}},
            "pid": {
                "lagrangian": {"update": "pid"},
                "search": {"kind": "optuna", "trials": 2, "space": {"kp": {"low": 0.01, "high": 1.0, "log": True}}},
            },
        },
    }
)
GRID = [NewTrial(f"fixed:{value}", "fixed", {"multiplier": value}) for value in (0.0, 0.5)]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    study = ledger.create_study(SPEC.name, "", "a" * 64, SPEC.seed_list, GRID)
    with driving(ledger, study) as writer:
        yield writer
    ledger.close()


def searcher_of(writer: Writer, tmp_path: Path, max_concurrent: int = 8, spec: StudySpec = SPEC) -> ExecutionSearcher:
    return ExecutionSearcher(
        writer,
        spec,
        checkpoints=str(tmp_path / "checkpoints"),
        cadence=Cadence(),
        max_concurrent=functools.partial(int, max_concurrent),
        stop=Stop(),
        env_path="general",
    )


def asked(config: Any) -> Job:
    return config[ASSIGNMENT].first


def complete(writer: Writer, execution: Execution, *, mean_return: float = 1.0) -> None:
    writer.start(execution)
    seeds = [SeedProgress(seed, 100, 1, {"cost": 0.0}, mean_return, {"cost": 1.0}) for seed in execution.seeds]
    value = Interval(mean_return, mean_return, mean_return, 2)
    writer.complete(execution, seeds, mean_return=value, mean_cost={"cost": value}, feasible=True)


def test_hands_out_grid_points_first_and_then_suggestions(writer: Writer, tmp_path: Path) -> None:
    searcher = searcher_of(writer, tmp_path)

    jobs = [asked(searcher.suggest(f"tune-{n}")) for n in range(4)]

    assert [job.execution.trial for job in jobs] == [0, 1, 2, 3]
    assert [job.run.lagrangian.update for job in jobs] == ["fixed", "fixed", "pid", "pid"]
    assert jobs[1].run.lagrangian.model_dump()["multiplier"] == 0.5
    assert jobs[0].checkpoints == str(tmp_path / "checkpoints" / "t0000")
    assert len({job.run.lagrangian.model_dump_json() for job in jobs}) == 4
    trials = writer.ledger.trials(writer.study)
    assert [trial.arm for trial in trials] == ["fixed", "fixed", "pid", "pid"]
    assert all(trial.state is State.WAITING for trial in trials)  # asked is not started


def test_hands_on_which_environments_are_asked_for(writer: Writer, tmp_path: Path) -> None:
    config: Any = searcher_of(writer, tmp_path).suggest("a")
    assert config[ASSIGNMENT].env_path == "general"


def test_is_finished_only_when_nothing_runs_any_more(writer: Writer, tmp_path: Path) -> None:
    searcher = searcher_of(writer, tmp_path)
    for n in range(4):
        complete(writer, asked(searcher.suggest(f"tune-{n}")).execution)

    assert searcher.suggest("tune-4") is None  # Tune takes FINISHED as final, and one of these might still fail
    for n in range(3):
        searcher.on_trial_complete(f"tune-{n}")
    assert searcher.suggest("tune-4") is None
    searcher.on_trial_complete("tune-3", error=True)
    assert searcher.suggest("tune-4") == Searcher.FINISHED


def test_while_nothing_waits_the_ledger_is_read_once_for_each_execution_that_ends(
    writer: Writer, tmp_path: Path
) -> None:
    searcher = searcher_of(writer, tmp_path)
    jobs = [asked(searcher.suggest(f"tune-{n}")) for n in range(4)]  # all trials of the study; there is room for more
    statements: list[str] = []
    event.listen(writer.ledger.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))

    assert [searcher.suggest(f"tune-{4 + n}") for n in range(3)] == [None] * 3
    of_first = len(statements)
    searcher.suggest("tune-7")
    assert len(statements) == of_first > 0

    writer.start(jobs[0].execution)
    writer.release(jobs[0].execution, "worker lost")
    searcher.on_trial_complete("tune-0", error=True)
    assert asked(searcher.suggest("tune-8")).execution.trial == 0


def test_a_place_becomes_free_when_an_execution_ends(writer: Writer, tmp_path: Path) -> None:
    searcher = searcher_of(writer, tmp_path, max_concurrent=1)
    first = asked(searcher.suggest("tune-0")).execution

    assert searcher.suggest("tune-1") is None

    complete(writer, first)
    searcher.on_trial_complete("tune-0")
    assert asked(searcher.suggest("tune-1")).execution.trial == 1


def test_hands_out_nothing_once_asked_to_stop(writer: Writer, tmp_path: Path) -> None:
    searcher = searcher_of(writer, tmp_path)
    searcher.suggest("tune-0")

    searcher._stop.requested = True

    assert searcher.suggest("tune-1") == Searcher.FINISHED


def test_continues_from_the_newest_checkpoint_with_the_seeds_that_are_left(writer: Writer, tmp_path: Path) -> None:
    row = ResultRow(trial=0, seed=0, iteration=4, env_steps=80, time=0.0, attempt=1, metrics={})
    path = CheckpointStore(tmp_path / "checkpoints" / "t0000", (0, 1)).save(1, [row], lambda folder: None)

    execution = asked(searcher_of(writer, tmp_path).suggest("tune-0")).execution

    assert execution == Execution(id=1, trial=0, attempt=1, seeds=(0, 1), resume_from=path)


def test_a_stopped_seed_stays_in_its_group_and_is_named(writer: Writer, tmp_path: Path) -> None:
    searcher = searcher_of(writer, tmp_path, max_concurrent=1)
    first = asked(searcher.suggest("tune-0"))
    writer.start(first.execution)
    progress = [SeedProgress(seed, 100, 1, {"cost": 0.0}, 1.0, {"cost": 1.0}) for seed in (0, 1)]
    writer.stop_seeds(first.execution, progress, {1: "hopeless"})
    searcher.on_trial_complete("tune-0")

    second = asked(searcher.suggest("tune-1"))

    assert (first.stopped, second.stopped) == ((), (1,))
    assert (second.execution.trial, second.execution.attempt, second.execution.seeds) == (0, 2, (0, 1))


def test_a_pickled_copy_reads_the_same_ledger(writer: Writer, tmp_path: Path) -> None:
    searcher = searcher_of(writer, tmp_path)
    searcher.suggest("tune-0")

    copy = pickle.loads(pickle.dumps(searcher))

    assert asked(copy.suggest("tune-1")).execution.trial == 1
    copy._writer.ledger.close()


def test_repeated_suggestions_of_a_finite_space_keep_distinct_keys(writer: Writer, tmp_path: Path) -> None:
    data = SPEC.model_dump(mode="json", exclude_none=True)
    data["arms"]["pid"]["search"] |= {"trials": 3, "space": {"kp": {"choices": [0.5]}}}
    searcher = searcher_of(writer, tmp_path, spec=StudySpec.model_validate(data))

    for n in range(5):
        searcher.suggest(f"tune-{n}")

    keys = [trial.key for trial in writer.ledger.trials(writer.study, arm="pid")]
    assert keys == ['pid:{"kp":0.5}', 'pid:{"kp":0.5} #2', 'pid:{"kp":0.5} #3']


def test_suggestions_are_those_of_an_undisturbed_study(writer: Writer, tmp_path: Path) -> None:
    other = Ledger(f"sqlite:///{tmp_path}/other.db")
    study = other.create_study(SPEC.name, "", "a" * 64, SPEC.seed_list, GRID)
    with driving(other, study) as undisturbed:
        for n, searcher in enumerate([searcher_of(undisturbed, tmp_path)] * 4):
            complete(undisturbed, asked(searcher.suggest(f"tune-{n}")).execution, mean_return=float(n))
    for n in range(4):  # as if the driver were killed after every trial
        searcher = searcher_of(writer, tmp_path)
        complete(writer, asked(searcher.suggest("tune")).execution, mean_return=float(n))

    assert [trial.params for trial in other.trials(study.id)] == [
        trial.params for trial in writer.ledger.trials(writer.study)
    ]
    other.close()
