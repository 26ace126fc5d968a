"""What a study will do and what it will cost, before anything is spent."""

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from algorithms.parameters import SACParameters
from environments.tasks import Path as EnvPath
from environments.tasks import find_task
from sweeps.errors import SpecError
from sweeps.planning.arms import ArmPlan, plan_arm, plan_retests, planned_runs
from sweeps.planning.speed import Speed, makespan, packed, trained_steps
from sweeps.running.resources import Resources
from sweeps.spec import RunSpec, StudySpec
from sweeps.spec.inert import inert_notes
from sweeps.spec.space import num_trials


@dataclass(frozen=True)
class Plan:
    """What a study will do.

    Attributes:
        study: Its name.
        sha256: Hash of its specification.
        task: Gymnasium id, or id of an analytic task.
        environment: Which implementation steps it: navigation (the fast path), gymnasium or analytic.
        horizon: Steps of an episode, or None.
        arms: One each, and one for retests where there are some.
        seeds: Seeds of every trial but retests.
        trials: Trials of all arms, with retests.
        env_steps: Env steps of all trials and seeds.
        cores: Cores that it is planned for.
        concurrent: Processes at once on them: trials, or packs of trials.
        speed: Where the durations come from, or None without them.
        cpu_s: Core seconds in all, or None.
        duration_s: Expected seconds until the last trial ends, or None.
        gpu_s: GPU seconds in all, or None without a speed; 0 where no GPU is asked for.
        notes: What a user should know before starting.
    """

    study: str
    sha256: str
    task: str
    environment: str
    horizon: int | None
    arms: tuple[ArmPlan, ...]
    seeds: tuple[int, ...]
    trials: int
    env_steps: int
    cores: int
    concurrent: int
    speed: str | None
    cpu_s: float | None
    duration_s: float | None
    gpu_s: float | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `--output json`."""
        return asdict(self)


def make_plan(
    spec: StudySpec,
    *,
    cores: int,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
    max_concurrent: int | None = None,
    env_path: EnvPath = "auto",
    speed: Speed | None,
) -> Plan:
    """Plans a study.

    Args:
        spec: The study.
        cores: Cores that it may use.
        cpus_per_trial: Cores that each trial reserves.
        gpus_per_trial: GPUs that each trial reserves; a fraction shares one.
        max_concurrent: Most trials at once, or None for as many as fit.
        env_path: Which environments it will step.
        speed: How fast a trial runs, or None to leave durations out.

    Returns:
        The plan.

    Raises:
        SpecError: If a number is out of range, or the task's environments cannot be built.
    """
    Resources(cpus_per_trial, gpus_per_trial, max_concurrent)  # refuses what a run would refuse
    probe = probe_environment(spec, env_path)
    runs = {name: planned_runs(spec, name) for name in spec.arms}
    seconds = {
        name: [speed.trial_seconds(run, len(spec.seed_list)) for run in of_arm] if speed else None
        for name, of_arm in runs.items()
    }
    every_second = None if speed is None else [second for of_arm in seconds.values() for second in of_arm or ()]
    trials = sum(len(of_arm) for of_arm in runs.values())
    size = spec.pack or 1
    concurrent = max(1, min(math.ceil(trials / size), int(cores / cpus_per_trial), max_concurrent or trials))
    arms = [plan_arm(spec, name, runs[name], seconds[name]) for name in spec.arms]
    retests = plan_retests(spec, [run for of_arm in runs.values() for run in of_arm], speed)
    again = [] if retests is None or retests.cpu_s is None else [retests.cpu_s / retests.trials] * retests.trials
    arms += [] if retests is None else [retests]
    return Plan(
        study=spec.name,
        sha256=spec.sha256,
        task=find_task(spec.task).env_id,
        environment=probe.kind,
        horizon=find_task(spec.task).horizon,
        arms=tuple(arms),
        seeds=spec.seed_list,
        trials=sum(arm.trials for arm in arms),
        env_steps=sum(arm.env_steps for arm in arms),
        cores=cores,
        concurrent=concurrent,
        speed=speed.source if speed else None,
        cpu_s=None if every_second is None else sum(every_second + again),
        duration_s=None
        if speed is None or every_second is None
        else speed.start_s + sum(makespan(packed(stage, size), concurrent) for stage in (every_second, again)),
        gpu_s=None if every_second is None else gpus_per_trial * sum(every_second + again),
        notes=tuple(_notes(spec, runs, probe, gpus_per_trial)),
    )


class Probe(NamedTuple):
    """What one environment of a study shows.

    Attributes:
        kind: Which implementation steps it.
        saves_state: Whether it saves its state.
        observation_size: Entries of an observation.
        action_size: Entries of an action.
    """

    kind: str
    saves_state: bool
    observation_size: int
    action_size: int


def probe_environment(spec: StudySpec, env_path: EnvPath) -> Probe:
    """Builds one environment, which shows that the task can be built and has the costs that are limited.

    Args:
        spec: The study.
        env_path: Which environments.

    Returns:
        What it shows.

    Raises:
        SpecError: If they cannot be built.
    """
    from environments.make import make_batch  # MuJoCo takes a second to import

    try:
        batch = make_batch(spec.task, num_envs=1, seeds=[0], cost_names=tuple(spec.cost_limits), path=env_path)
    except (ValueError, ImportError) as error:
        place = "cost_limit" if "cost_names" in str(error) else "task"
        raise SpecError(f"{spec.task} cannot be built: {error}", code="environment", path=(place,)) from error
    try:
        return Probe(batch.kind, batch.saves_state, batch.observation_size, batch.action_size)
    finally:
        batch.close()


def replay_bytes(run: RunSpec, probe: Probe, num_seeds: int) -> int:
    """Bytes of the replay buffers of a trial when they are full, in memory and in a checkpoint; 0 for PPO.

    Args:
        run: Its configuration.
        probe: Of its environments.
        num_seeds: Seeds that train together.

    Returns:
        Bytes, without the last observations of ended episodes.
    """
    if not isinstance(run.parameters, SACParameters):
        return 0
    kept = min(run.parameters.buffer_size, trained_steps(run))
    per_step = 4 * (probe.observation_size + probe.action_size + len(run.cost_limits) + 1) + 2
    return kept * per_step * num_seeds


def _notes(spec: StudySpec, runs: dict[str, list[RunSpec]], probe: Probe, gpus: float) -> list[str]:
    notes = inert_notes(spec)
    if gpus:
        notes.append("a speed measured here is that of the CPU; give --rate for a GPU")
    if not probe.saves_state:
        notes.append("a continued trial restarts its episodes: these environments cannot save their state")
    every_run = [run for of_arm in runs.values() for run in of_arm]
    replay = max(replay_bytes(run, probe, len(spec.seed_list)) for run in every_run)
    if replay:
        notes.append(f"replay buffers take up to {replay / 2**20:,.0f} MiB of memory a trial, and of disk a checkpoint")
    over = max(trained_steps(run) - run.env_steps for run in every_run)
    if over:
        notes.append(f"whole iterations are run: up to {over:,} env steps more than env_steps")
    if spec.pack is not None:
        notes.append(f"up to {spec.pack} trials train in one process")
    horizon, shortest = find_task(spec.task).horizon, min(run.env_steps // run.parameters.num_envs for run in every_run)
    if horizon is not None and shortest < horizon:
        notes.append(f"an environment makes {shortest:,} steps, less than an episode of {horizon:,}: perhaps no return")
    if sum(num_trials(arm) for arm in spec.arms.values()) > 1 and len(spec.seed_list) == 1:
        notes.append("one seed gives no interval: differences between trials cannot be told from chance")
    return notes
