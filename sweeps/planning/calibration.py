"""Measuring how fast this machine trains a study: a short piece of the real algorithm, without starting Ray."""

import importlib
import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from algorithms.parameters import PPOParameters, SACParameters
from environments.tasks import Path as EnvPath
from sweeps.planning.arms import planned_runs
from sweeps.planning.speed import MeasuredSpeed
from sweeps.running.algorithm_config import algorithm_config
from sweeps.spec import RunSpec, StudySpec

_STEPS = 1_000  # env steps per seed of PPO's iteration: a second or less, and long against a timer's resolution
_EPOCHS = 2
_GRADIENT_STEPS = 16  # of SAC: a second or less


class Seconds(NamedTuple):
    """What a measured piece of training took."""

    per_env_step: float
    per_gradient_step: float


def measure_speed(spec: StudySpec, *, env_path: EnvPath = "auto") -> MeasuredSpeed:
    """Trains the study's first configuration for a moment on one core, in this process.

    What is measured comes after a first, uncounted pass that warms up caches. Other configurations are priced by their
    own steps, passes and minibatches; that their networks or batches may have other sizes is not taken into account.

    Args:
        spec: The study.
        env_path: Which environments it will step.

    Returns:
        Seconds per start, build, env step and gradient step.
    """
    run = shorten(planned_runs(spec, next(iter(spec.arms)))[0])
    started = time.perf_counter()
    importlib.import_module(f"algorithms.{run.algorithm}.learner")
    start_s = time.perf_counter() - started
    with _one_quiet_thread():
        started = time.perf_counter()
        runner, learner = _build(run, spec.seed_list, env_path)
        build_s = time.perf_counter() - started
        try:
            _train(run, runner, learner)
            seconds = _train(run, runner, learner)
        finally:
            runner.stop()
    return MeasuredSpeed(
        start_s=start_s,
        build_s=build_s,
        env_step_s=seconds.per_env_step / len(spec.seed_list),
        gradient_step_s=seconds.per_gradient_step,
        num_seeds=len(spec.seed_list),
    )


def shorten(run: RunSpec) -> RunSpec:
    """The same run with little to do, so that it takes seconds.

    Args:
        run: A configuration.

    Returns:
        One that differs in the length of an iteration only, and of SAC in how soon it learns and how much it keeps.
    """
    parameters = run.parameters
    if isinstance(parameters, SACParameters):
        kept = max(parameters.batch_size, parameters.train_every)
        short: dict[str, int] = {"learning_starts": 1, "buffer_size": kept}
        short["gradient_steps"] = min(parameters.gradient_steps, _GRADIENT_STEPS)
    else:
        wanted = min(max(_STEPS, parameters.minibatch_size), parameters.steps_per_iteration)
        steps = -(-wanted // parameters.num_envs) * parameters.num_envs
        short = {"steps_per_iteration": steps, "num_epochs": min(_EPOCHS, parameters.num_epochs)}
    return run.model_copy(update={"parameters": parameters.model_copy(update=short)})


def _build(run: RunSpec, seeds: tuple[int, ...], env_path: EnvPath) -> tuple[Any, Any]:
    """The algorithm's sampler and learner, as a trial builds them, but without the Ray that an `Algorithm` starts."""
    config = algorithm_config(run, seeds, env_path)
    runner = cast(Any, config.env_runner_cls)(config=config)
    learner = config.build_learner(spaces=runner.get_spaces())
    learner.build()
    return runner, learner


def _train(run: RunSpec, runner: Any, learner: Any) -> Seconds:
    """Seconds per step of one environment of every seed, and per gradient step of all seeds."""
    parameters = run.parameters
    if isinstance(parameters, PPOParameters):
        rollout_s, update_s = _round(runner, learner)
        passes = float(learner.seed_metrics["policy/epochs"].max())
        steps = parameters.steps_per_iteration
        return Seconds(rollout_s / steps, update_s / (passes * (steps // parameters.minibatch_size)))
    # Whole periods of the policy's delay: its steps are the expensive ones.
    rounds = parameters.policy_delay * max(_GRADIENT_STEPS // parameters.policy_delay // parameters.gradient_steps, 1)
    rollout_s, update_s = (sum(part) for part in zip(*(_round(runner, learner) for _ in range(rounds)), strict=True))
    return Seconds(rollout_s / (rounds * parameters.train_every), update_s / (rounds * parameters.gradient_steps))


def _round(runner: Any, learner: Any) -> tuple[float, float]:
    """Seconds of sampling and of learning."""
    from ray.rllib.core.learner.training_data import TrainingData

    started = time.perf_counter()
    sampled = runner.sample()
    middle = time.perf_counter()
    learner.update(TrainingData(batch=sampled))
    return middle - started, time.perf_counter() - middle


@contextmanager
def _one_quiet_thread() -> Generator[None]:
    """One thread, as a Tune trial with one CPU has, and none of RLlib's notices about its own migrations."""
    import torch

    threads = torch.get_num_threads()
    loggers = [logging.getLogger(name) for name in ("ray.rllib", "ray._common.deprecation")]
    levels = [logger.level for logger in loggers]
    torch.set_num_threads(1)
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
