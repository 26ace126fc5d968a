"""What a trained multiplier network says of the states that its policy visits, for calibration reports.

Axes: S seeds, T steps, E environments a seed, A action entries.
"""

from typing import Any

import numpy as np
import torch

from algorithms.functional.squashed_gaussian import split_outputs
from algorithms.sac_lagrangian.config import SACLagrangianConfig
from algorithms.sac_lagrangian.losses import policy_terms
from algorithms.sac_lagrangian.networks import StackedSoftActorCritic
from algorithms.sac_lagrangian.statewise_penalty import StatewisePenalty
from environments.batch import EnvBatch
from environments.make import make_batch
from environments.tasks import find_task

_STREAM = 5  # of a seed's random numbers, so that a record changes nothing of the training
_FIRST_ENV = 1_000_000  # environments that no training ever steps
_NUM_ENVS, _EPISODES, _STEPS = 2, 2, 1000


@torch.no_grad()
def record_states(
    config: SACLagrangianConfig, networks: StackedSoftActorCritic, penalty: StatewisePenalty
) -> dict[str, Any]:
    """Lets the policies act in fresh environments and records λ(s), g(s, π) and what each step cost.

    Two environments a seed run for two episodes each, or for 1000 steps where episodes have no fixed length.

    Args:
        config: Of the training.
        networks: As trained.
        penalty: As trained.

    Returns:
        The arrays of `sweeps.calibration_record.CalibrationRecord`, by name.
    """
    task = find_task(str(config.env))
    env = make_batch(
        task,
        num_envs=_NUM_ENVS,
        seeds=config.seed_list,
        first_env=_FIRST_ENV,
        cost_names=tuple(config.cost_limits),
        path=config.env_path,
    )
    try:
        steps = _STEPS if task.horizon is None else _EPISODES * task.horizon
        visited = _visit(env, networks, penalty, _generators(config), steps)
    finally:
        env.close()
    probes = np.stack(penalty.probes, axis=1) if penalty.probes else np.empty((len(config.seed_list), 0, 0), np.float32)
    return visited | {
        "seeds": np.array(config.seed_list, dtype=np.int64),
        "probes": probes,
        "multiplier_max": config.multiplier_parameters.multiplier_max,
        "discount": config.parameters.cost_gamma,
    }


def _generators(config: SACLagrangianConfig) -> list[torch.Generator]:
    entropy = [np.random.SeedSequence(seed, spawn_key=(_STREAM,)) for seed in config.seed_list]
    return [torch.Generator().manual_seed(int(e.generate_state(1, np.uint64)[0])) for e in entropy]


def _visit(
    env: EnvBatch,
    networks: StackedSoftActorCritic,
    penalty: StatewisePenalty,
    generators: list[torch.Generator],
    steps: int,
) -> dict[str, Any]:
    shape = (len(generators), _NUM_ENVS)
    bounded = np.isfinite(env.action_low) & np.isfinite(env.action_high)
    low, high = np.where(bounded, env.action_low, -1.0), np.where(bounded, env.action_high, 1.0)
    rows: dict[str, list[Any]] = {name: [] for name in ("multiplier", "violation", "cost", "ended", "position")}
    observations = env.reset()
    for _ in range(steps):
        seen = torch.from_numpy(observations).float().view(*shape, -1).to(networks.policies.device)
        noise = [torch.randn(2, _NUM_ENVS, env.action_size, generator=generator) for generator in generators]
        asked, acted = torch.stack(noise, dim=1).to(seen)
        rows["multiplier"].append(penalty.network.value(seen).cpu().numpy())
        rows["violation"].append(penalty.violation(policy_terms(networks, seen, asked)).cpu().numpy())
        place = env.positions()
        rows["position"].append(np.full((*shape, 2), np.nan) if place is None else place.reshape(*shape, 2))
        mean, log_std = split_outputs(networks.policy_outputs(seen))
        actions = torch.tanh(torch.addcmul(mean, acted, log_std.exp())).cpu().numpy().astype(np.float64)
        step = env.step(low + (actions.reshape(env.num_envs, -1) + 1.0) / 2.0 * (high - low))
        rows["cost"].append(step.costs[:, 0].reshape(shape))
        rows["ended"].append((step.terminated | step.truncated).reshape(shape))
        observations = step.observations
    arrays = {name: np.stack(parts, axis=1) for name, parts in rows.items()}
    return {name: array if array.dtype == np.bool_ else array.astype(np.float32) for name, array in arrays.items()}
