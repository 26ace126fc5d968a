"""The policy of a study's best trial, taken out of its checkpoint."""

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

FOLDER = "policy"
"""Where it lies in the study's folder."""


def export_champion(
    spec: StudySpec,
    best: Trial,
    executions: Iterable[Execution],
    *,
    checkpoints: str,
    folder: Path,
    params: Mapping[str, Any],
) -> Path | None:
    """Writes the policies of the best trial's seeds.

    Args:
        spec: The study.
        best: Its best trial.
        executions: Those of the trial, the first attempt first.
        checkpoints: Folder or URL of the study's checkpoints.
        folder: The study's folder.
        params: What identifies the trial's configuration.

    Returns:
        The folder of the policy, or None where no good checkpoint is left of the trial's best seed.
    """
    run = spec.resolve(best.arm, best.params)
    seed = best_seed(best.seed_runs, run.cost_limits)
    trained = [execution.seeds for execution in executions if seed in execution.seeds]
    for seeds in dict.fromkeys(reversed(trained)):
        store = CheckpointStore(trial_folder(checkpoints, best.number), seeds)
        checkpoint = store.load()
        if checkpoint is not None:
            description = _description(spec, run, best, seeds, seed, params)
            save_policy(folder / FOLDER, description, _tensors(run, checkpoint.algorithm))
            store.release()
            return folder / FOLDER
    return None


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
    best: Trial,
    seeds: tuple[int, ...],
    seed: int,
    params: Mapping[str, Any],
) -> PolicyDescription:
    from algorithms.functional.squashed_gaussian import LOG_STD_RANGE  # imports torch

    is_ppo = isinstance(run.parameters, PPOParameters)
    is_clipped = isinstance(run.parameters, PPOParameters) and run.parameters.normalize_observations
    by_seed = {seed_run.seed: seed_run for seed_run in best.seed_runs}
    return PolicyDescription(
        study=spec.name,
        trial=best.number,
        arm=best.arm,
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
