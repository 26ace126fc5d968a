"""Plans: counts, prices and what is worth a note."""

import json
import subprocess
import sys
from typing import Any

import pytest

from sweeps.errors import SpecError
from sweeps.planning.arms import planned_runs
from sweeps.planning.calibration import shorten
from sweeps.planning.plan import make_plan, probe_environment, replay_bytes
from sweeps.planning.speed import GivenRate, MeasuredSpeed, makespan, num_iterations
from sweeps.spec import StudySpec

SMOKE = {"hyperparameters": {"preset": "smoke"}}  # 1 000 steps, 2 passes, minibatches of 64
GRID = {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0, 0.5, 1], "num_envs": [2, 4]}}


def study(**changes: Any) -> StudySpec:
    base = {
        "name": "s",
        "task": "analytic/ring",
        "cost_limit": 12.0,
        "env_steps": 10_000,
        "seeds": 2,
        "hyperparameters": {"preset": "smoke"},  # 1 000 steps, 2 passes, minibatches of 64
        "arms": {"fixed": GRID, "ga": {"lagrangian": {"update": "ga"}}},
    }
    return StudySpec.model_validate({**base, **changes})


def test_a_plan_counts_trials_and_env_steps():
    plan = make_plan(study(), cores=2, speed=None)
    assert [(arm.name, arm.trials, arm.search) for arm in plan.arms] == [
        ("fixed", 6, "grid: 3 multiplier × 2 num_envs"),
        ("ga", 1, "one configuration"),
    ]
    assert [arm.env_steps for arm in plan.arms] == [6 * 2 * 10_000, 2 * 10_000]
    assert (plan.trials, plan.env_steps, plan.seeds) == (7, 140_000, (0, 1))
    assert (plan.environment, plan.task, plan.horizon) == ("analytic", "analytic/ring", 100)
    assert (plan.duration_s, plan.cpu_s, plan.speed) == (None, None, None)


def test_a_given_rate_prices_every_trial_alike():
    plan = make_plan(study(), cores=2, speed=GivenRate(1_000.0))
    # A trial is 2 seeds × 10 000 steps at 1 000 a second: 20 s. 7 trials in 2 slots: 4 rounds.
    assert plan.cpu_s == pytest.approx(7 * 20.0)
    assert plan.duration_s == pytest.approx(4 * 20.0)
    assert [arm.cpu_s for arm in plan.arms] == [pytest.approx(120.0), pytest.approx(20.0)]


def test_retests_are_planned_behind_the_others_with_their_own_seeds():
    plan = make_plan(study(retest={"top": 3, "seeds": 5}), cores=2, speed=GivenRate(1_000.0))
    retest = plan.arms[-1]
    assert (retest.name, retest.trials, retest.seeds, retest.env_steps) == ("retest", 3, 5, 3 * 5 * 10_000)
    assert (plan.trials, plan.env_steps) == (7 + 3, 140_000 + 150_000)
    # As above 4 rounds of 20 s; then 3 trials of 5 · 10 000 steps, 50 s each, in 2 slots.
    assert (plan.cpu_s, plan.duration_s) == (7 * 20.0 + 3 * 50.0, 4 * 20.0 + 2 * 50.0)
    assert make_plan(study(retest={"top": 9, "seeds": 5}), cores=2, speed=None).arms[-1].trials == 7


def test_trials_of_a_pack_share_a_process_and_its_gpu():
    data = {"name": "p", "task": "analytic/ring", "cost_limit": 12.0, "env_steps": 10_000, "seeds": 2, "pack": 3}
    grid = {"kind": "grid", "multiplier": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
    spec = StudySpec.model_validate(data | {"lagrangian": {"update": "fixed"}, "search": grid, **SMOKE})
    plan = make_plan(spec, cores=2, gpus_per_trial=0.5, speed=GivenRate(1_000.0))
    # 20 s a trial: packs of 60, 60 and 20 s in two processes, half a GPU each.
    assert (plan.concurrent, plan.duration_s, plan.cpu_s, plan.gpu_s) == (2, 80.0, 140.0, 70.0)
    assert "up to 3 trials train in one process" in plan.notes
    assert make_plan(spec, cores=9, speed=None).concurrent == 3


@pytest.mark.parametrize(
    ("options", "concurrent"),
    [
        ({"cores": 4}, 4),
        ({"cores": 100}, 7),  # no more than there are trials
        ({"cores": 4, "cpus_per_trial": 2.0}, 2),
        ({"cores": 4, "max_concurrent": 3}, 3),
        ({"cores": 1, "cpus_per_trial": 2.0}, 1),
    ],
)
def test_as_many_trials_run_at_once_as_fit(options: dict[str, Any], concurrent: int):
    assert make_plan(study(), speed=None, **options).concurrent == concurrent


def test_a_measured_speed_prices_iterations_env_steps_and_minibatches():
    speed = MeasuredSpeed(start_s=10.0, build_s=3.0, env_step_s=0.001, gradient_step_s=0.01, num_seeds=2)
    run = study(hyperparameters={"preset": "smoke", "num_epochs": 4}).resolve("ga", {})
    # 10 iterations of 2 · 1 000 · 0.001 = 2 s sampling and 4 · ⌊1 000 / 64⌋ · 0.01 = 0.6 s learning, and 3 s to build.
    assert speed.trial_seconds(run, 2) == pytest.approx(3.0 + 10 * 2.6)
    plan = make_plan(study(arms={"ga": {"lagrangian": {"update": "ga"}}}), cores=1, speed=speed)
    # 2 passes: 0.3 s learning an iteration; the worker starts once.
    assert plan.cpu_s == pytest.approx(3.0 + 10 * 2.3)
    assert plan.duration_s == pytest.approx(10.0 + 3.0 + 10 * 2.3)


def test_a_trial_starts_as_soon_as_a_slot_is_free():
    assert makespan([4.0, 1.0, 1.0, 1.0], 2) == 4.0  # 4 | 1 1 1
    assert makespan([1.0, 1.0, 1.0, 4.0], 2) == 5.0  # 1 1 | 1 4
    assert makespan([2.0, 3.0], 1) == 5.0


def test_an_optuna_search_is_planned_as_many_typical_trials():
    space = {
        "kp": {"low": 1e-4, "high": 1.0, "log": True},
        "kd": {"low": 0.0, "high": 1.0},
        "num_epochs": {"low": 1, "high": 9, "step": 2},
        "delay": {"low": 1, "high": 4},
        "num_envs": {"choices": [1, 2, 4]},
    }
    spec = study(
        arms={"pid": {"lagrangian": {"update": "pid"}, "search": {"kind": "optuna", "trials": 9, "space": space}}}
    )
    runs = planned_runs(spec, "pid")
    assert len(runs) == 9
    # The middle: √(10⁻⁴ · 1), (0 + 1) / 2, 1 + 2 · 2, round(2.5), the second of three.
    lagrangian = runs[0].lagrangian.model_dump()
    assert (lagrangian["kp"], lagrangian["kd"], lagrangian["delay"]) == (pytest.approx(0.01), 0.5, 2)
    assert (runs[0].parameters.num_epochs, runs[0].parameters.num_envs) == (5, 2)
    plan = make_plan(spec, cores=1, speed=None)
    assert plan.arms[0].search == "tpe: kp, kd, num_epochs, delay, num_envs"


def test_whole_iterations_are_counted():
    spec = study(env_steps=10_500)
    assert num_iterations(spec.resolve("ga", {})) == 11
    plan = make_plan(spec, cores=1, speed=None)
    assert plan.env_steps == 7 * 2 * 11_000
    assert any("up to 500 env steps more" in note for note in plan.notes)


def test_notes_say_what_one_should_know_before_starting():
    assert make_plan(study(), cores=1, speed=None).notes == ()
    notes = make_plan(study(seeds=1), cores=1, speed=None).notes
    assert ["one seed gives no interval" in note for note in notes] == [True]
    short = study(
        env_steps=1_000,
        hyperparameters={"preset": "smoke", "num_envs": 20},
        arms={"ga": {"lagrangian": {"update": "ga"}}},
    )
    assert ["less than an episode" in note for note in make_plan(short, cores=1, speed=None).notes] == [True]


def test_notes_name_an_option_without_effect():
    idle = study(arms={"pid": {"lagrangian": {"update": "pid", "form": "stooke", "delay": 3}}})
    notes = make_plan(idle, cores=1, speed=None).notes
    assert notes == ("arm pid: `delay` has no effect: it belongs to `form: omnisafe`",)


def test_a_cost_that_the_task_does_not_have_is_refused_before_anything_starts():
    with pytest.raises(SpecError, match="hazrds") as caught:
        make_plan(study(task="Circle1", cost_limit={"hazrds": 1.0}), cores=1, speed=None)
    assert caught.value.path == ("cost_limit",)


@pytest.mark.parametrize(
    ("env_path", "kind"), [("auto", "navigation"), ("fast", "navigation"), ("general", "gymnasium")]
)
def test_a_plan_says_which_environments_the_path_takes(env_path: Any, kind: str):
    plan = make_plan(study(task="Circle1"), cores=1, env_path=env_path, speed=None)
    assert plan.environment == kind
    # Only the fast path saves its episodes.
    assert any("restarts its episodes" in note for note in plan.notes) == (kind == "gymnasium")


def test_insisting_on_fast_environments_that_a_task_has_not_is_refused():
    with pytest.raises(SpecError, match=r"needs a task with a fast path .* got HopperVelocity"):
        make_plan(study(task="HopperVelocity"), cores=1, env_path="fast", speed=None)


def test_a_short_iteration_keeps_the_environments_and_minibatches():
    spec = study(
        hyperparameters={"num_envs": 30, "steps_per_iteration": 30_000, "minibatch_size": 2_000}, env_steps=60_000
    )
    run = spec.resolve("ga", {})
    short = shorten(run)
    # At least one minibatch of 2 000, in whole steps of 30 environments: 67 · 30 = 2 010.
    assert (short.parameters.steps_per_iteration, short.parameters.num_epochs) == (2_010, 2)
    changed = {"steps_per_iteration", "num_epochs"}
    assert short.parameters.model_dump(exclude=changed) == run.parameters.model_dump(exclude=changed)
    assert short.lagrangian == run.lagrangian


@pytest.mark.slow
def test_the_speed_is_measured_with_the_real_algorithm_and_without_ray():
    """In a process of its own: other tests of the session have started Ray."""
    program = (
        "import json, sys, ray\n"
        "from sweeps.planning.calibration import measure_speed\n"
        "from sweeps.spec import StudySpec\n"
        "speed = measure_speed(StudySpec.model_validate_json(sys.stdin.read()))\n"
        "print(json.dumps([speed.num_seeds, speed.env_step_s, speed.gradient_step_s, speed.start_s, speed.build_s]))\n"
        "assert not ray.is_initialized()\n"
    )
    given = study().model_dump_json(exclude_none=True)
    ended = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    num_seeds, env_step_s, gradient_step_s, start_s, build_s = json.loads(ended.stdout.splitlines()[-1])
    assert num_seeds == 2
    # Between a microsecond and a second an env step and a minibatch, on any machine.
    assert 1e-6 < env_step_s < 1.0
    assert 1e-6 < gradient_step_s < 1.0
    assert start_s >= 0.0
    assert build_s > 0.0


def test_the_memory_of_replay_buffers_is_stated_as_it_is() -> None:
    """What the plan computes without torch is what the buffers take."""
    from algorithms.sac_lagrangian.replay import ReplayBuffer

    spec = study(
        algorithm="sac_lagrangian",
        hyperparameters={"preset": "smoke", "num_envs": 2, "buffer_size": 3_000},
        env_steps=10_000,
        arms={"ga": {"lagrangian": {"update": "ga"}}},
    )
    probe = probe_environment(spec, "auto")
    buffer = ReplayBuffer(1_500, len(spec.seed_list), 2, probe.observation_size, probe.action_size, num_costs=1)
    assert replay_bytes(spec.resolve("ga", {}), probe, len(spec.seed_list)) == 1_500 * buffer.bytes_per_step
    assert any(note.startswith("replay buffers take up to") for note in make_plan(spec, cores=1, speed=None).notes)
    assert replay_bytes(study().resolve("ga", {}), probe, 1) == 0


def test_sac_is_priced_by_its_rounds_after_the_random_steps() -> None:
    speed = MeasuredSpeed(start_s=10.0, build_s=3.0, env_step_s=0.001, gradient_step_s=0.01, num_seeds=2)
    rounds = {"steps_per_iteration": 500, "train_every": 10, "gradient_steps": 3, "learning_starts": 200}
    spec = study(
        algorithm="sac_lagrangian",
        hyperparameters={"preset": "smoke", **rounds},
        env_steps=1_100,
        arms={"ga": {"lagrangian": {"update": "ga"}}},
    )
    run = spec.resolve("ga", {})
    # Three iterations are 1 500 steps: 2 · 1 500 · 0.001 s, and (1 500 − 200) / 10 · 3 gradient steps of 0.01 s.
    assert speed.trial_seconds(run, 2) == pytest.approx(3.0 + 3.0 + 390 * 0.01)
