"""The policies of a trial, taken out of its checkpoints."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from algorithms.normalizer import OBSERVATION_CLIP
from algorithms.parameters import PPOParameters
from environments.make import make_batch
from sweeps.policy import PolicyDescription, save_policy
from sweeps.records import Execution, SeedRun, Trial
from sweeps.running.checkpoints import CheckpointStore, trial_folder
from sweeps.spec import RunSpec, StudySpec


def export_policies(
    spec: StudySpec,
    trial: Trial,
    executions: Iterable[Execution],
    *,
    checkpoints: str,
    folder: Path,
    params: Mapping[str, Any],
) -> list[Path]:
    """Writes the policies of a trial's seeds, those of each execution apart.

    Args:
        spec: The study.
        trial: A complete trial.
        executions: Those of the trial, the first attempt first.
        checkpoints: Folder or URL of the study's checkpoints.
        folder: Where to make the folders `trial-<number>-<part>`; of the last execution first.
        params: What identifies the trial's configuration.

    Returns:
        The folders; none where no good checkpoint is left.
    """
    run = spec.resolve(trial.arm, trial.params)
    written: list[Path] = []
    for seeds in dict.fromkeys(execution.seeds for execution in reversed(list(executions))):
        store = CheckpointStore(trial_folder(checkpoints, trial.number), seeds)
        checkpoint = store.load()
        if checkpoint is not None:
            seed = best_seed([run for run in trial.seed_runs if run.seed in seeds], run.cost_limits)
            target = folder / f"trial-{trial.number:04d}-{len(written)}"
            save_policy(
                target, _description(spec, run, trial, seeds, seed, params), _tensors(run, checkpoint.algorithm)
            )
            store.release()
            written.append(target)
    return written


def best_seed(seed_runs: Iterable[SeedRun], limits: Mapping[str, float]) -> int:
    """The seed with the highest return among those that keep every limit, or the least violation where none does.

    Args:
        seed_runs: Those of a complete trial.
        limits: Cost name → limit.

    Returns:
        The seed.

    Examples:
        >>> from sweeps.records import State
        >>> runs = [
        ...     SeedRun(s, State.COMPLETE, mean_return=r, mean_cost={"cost": c}) for s, r, c in [(0, 9, 30), (1, 5, 20)]
        ... ]
        >>> best_seed(runs, {"cost": 25.0}), best_seed(runs, {"cost": 10.0}), best_seed(runs, {"cost": 40.0})
        (1, 1, 0)
    """

    def rank(seed_run: SeedRun) -> tuple[float, float]:
        costs = seed_run.mean_cost or {}
        violation = sum(max(0.0, costs[name] - limit) / max(limit, 1.0) for name, limit in limits.items())
        return -violation, seed_run.mean_return or 0.0

    return max((seed_run for seed_run in seed_runs if seed_run.mean_cost is not None), key=rank).seed


def _tensors(run: RunSpec, checkpoint: Path) -> dict[str, Any]:
    # torch and RLlib take seconds to import: only where a policy is written
    from algorithms.ppo_lagrangian import policies as ppo
    from algorithms.sac_lagrangian import policies as sac

    with_bounds = make_batch(run.task, num_envs=1, seeds=[0], cost_names=tuple(run.cost_limits))
    low, high, inputs = with_bounds.action_low, with_bounds.action_high, with_bounds.observation_size
    with_bounds.close()
    parameters = run.parameters
    if isinstance(parameters, PPOParameters):
        policies = ppo.checkpoint_policies(
            checkpoint, parameters.hidden_sizes, len(low), normalized=parameters.normalize_observations
        )
    else:
        policies = sac.checkpoint_policies(checkpoint, parameters.hidden_sizes, inputs, len(low))
    return {**policies, "action_low": low, "action_high": high}


def _description(
    spec: StudySpec,
    run: RunSpec,
    trial: Trial,
    seeds: tuple[int, ...],
    seed: int,
    params: Mapping[str, Any],
) -> PolicyDescription:
    from algorithms.functional.squashed_gaussian import LOG_STD_RANGE  # imports torch

    is_ppo = isinstance(run.parameters, PPOParameters)
    is_clipped = isinstance(run.parameters, PPOParameters) and run.parameters.normalize_observations
    by_seed = {seed_run.seed: seed_run for seed_run in trial.seed_runs}
    return PolicyDescription(
        study=spec.name,
        trial=trial.number,
        arm=trial.arm,
        task=run.task,
        algorithm=run.algorithm,
        params=dict(params),
        seeds=seeds,
        seed=seed,
        cost_limits=run.cost_limits,
        returns=tuple(by_seed[each].mean_return or 0.0 for each in seeds),
        costs={name: tuple((by_seed[each].mean_cost or {})[name] for each in seeds) for name in run.cost_limits},
        activation="tanh" if is_ppo else "relu",
        squash="clip" if is_ppo else "tanh",
        observation_clip=OBSERVATION_CLIP if is_clipped else None,
        log_std_range=None if is_ppo else LOG_STD_RANGE,
    )
