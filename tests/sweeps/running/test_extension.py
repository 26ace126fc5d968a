"""A study that grew trains what was added, and nothing again: on a real Ray, with the real algorithm."""

from pathlib import Path

import pytest

from sweeps.analysis.summary import interval
from sweeps.records import State
from sweeps.spec import StudySpec
from sweeps.study import create_study
from sweeps.tracking.spool import read_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of RLlib's own, about its old API stack
]

SPEC = StudySpec.model_validate(
    {
        "name": "ring",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 600,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 200, "num_envs": 2, "num_epochs": 2, "minibatch_size": 64},
        "arms": {"fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.5]}}},
    }
)


def test_added_seeds_steps_and_points_train_beside_what_is_there(tmp_path: Path) -> None:
    study = create_study(SPEC, tmp_path)
    study.run(progress=False)
    before = study.trials[0]

    study.extend(seeds=1, multiplier=[2.0])
    study.resume(progress=False)

    first, second = study.trials
    assert first.seed_runs[:2] == before.seed_runs  # not trained again
    assert {trial.state for trial in (first, second)} == {State.COMPLETE}
    assert [run.iterations for run in first.seed_runs] == [3, 3, 3]
    assert [run.mean_return is not None for run in first.seed_runs] == [True, True, True]
    assert first.mean_return == interval([run.mean_return or 0.0 for run in first.seed_runs])
    assert not first.continued
    executions = study._ledger.executions(1)
    assert [(execution.trial, execution.seeds) for execution, _, _ in executions] == [
        (0, (0, 1)),
        (0, (2,)),
        (1, (0, 1, 2)),
    ]

    study.extend(env_steps=400)
    study.resume(progress=False)

    assert [trial.continued for trial in study.trials] == [True, True]
    assert [run.iterations for trial in study.trials for run in trial.seed_runs] == [5] * 6
    assert study.status().is_finished
    continued = [execution for execution, _, _ in study._ledger.executions(1)[3:]]
    # Each cohort goes on from its own last checkpoint: seeds 0 and 1, and seed 2 by itself.
    assert sorted((execution.trial, execution.seeds) for execution in continued) == [
        *((0, (0, 1)), (0, (2,))),
        (1, (0, 1, 2)),
    ]
    assert all((execution.resume_from or "").endswith("-i000003") for execution in continued)
    rows = read_rows(study.folder / "spool.jsonl")
    found = sorted((row.trial, row.seed, row.iteration) for row in rows)
    assert found == [(trial, seed, n) for trial in (0, 1) for seed in (0, 1, 2) for n in range(1, 6)]
