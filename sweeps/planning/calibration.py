"""Measuring how fast this machine trains a study: one short iteration of the real algorithm, without starting Ray."""

import importlib
import logging
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from algorithms.parameters import PPOParameters
from environments.tasks import Path as EnvPath
from sweeps.planning.plan import planned_runs
from sweeps.planning.speed import MeasuredSpeed
from sweeps.spec import RunSpec, StudySpec

_STEPS = 1_000  # env steps per seed of the iteration: a second or less, and long against a timer's resolution
_EPOCHS = 2


def measure_speed(spec: StudySpec, *, env_path: EnvPath = "auto") -> MeasuredSpeed:
    """Trains the study's first configuration for two short iterations on one core, in this process.

    The first iteration warms up caches and is not counted. Other configurations are priced by their own steps, passes
    and minibatches; that their networks may have other sizes is not taken into account.

    Args:
        spec: The study.
        env_path: Which environments it will step.

    Returns:
        Seconds per start, build, env step and gradient step.
    """
    run = shorten(planned_runs(spec, next(iter(spec.arms)))[0])
    started = time.perf_counter()
    importlib.import_module("algorithms.ppo_lagrangian.learner")
    start_s = time.perf_counter() - started
    with _one_quiet_thread():
        started = time.perf_counter()
        runner, learner = _build(run, spec.seed_list, env_path)
        build_s = time.perf_counter() - started
        try:
            _iterate(runner, learner)
            rollout_s, update_s = _iterate(runner, learner)
        finally:
            runner.stop()
    passes = float(learner.seed_metrics["policy/epochs"].max())
    parameters, seeds = ppo_of(run), len(spec.seed_list)
    steps = parameters.steps_per_iteration
    return MeasuredSpeed(
        start_s=start_s,
        build_s=build_s,
        env_step_s=rollout_s / (steps * seeds),
        gradient_step_s=update_s / (passes * (steps // parameters.minibatch_size)),
        num_seeds=seeds,
    )


def shorten(run: RunSpec) -> RunSpec:
    """The same run with a shorter iteration and few passes, so that it takes seconds.

    Args:
        run: A configuration.

    Returns:
        One that differs in `steps_per_iteration` and `num_epochs` only.
    """
    parameters = ppo_of(run)
    wanted = min(max(_STEPS, parameters.minibatch_size), parameters.steps_per_iteration)
    steps = -(-wanted // parameters.num_envs) * parameters.num_envs
    short = {"steps_per_iteration": steps, "num_epochs": min(_EPOCHS, parameters.num_epochs)}
    return run.model_copy(update={"parameters": parameters.model_copy(update=short)})


def ppo_of(run: RunSpec) -> PPOParameters:
    """The hyperparameters of a run of PPO."""
    assert isinstance(run.parameters, PPOParameters)
    return run.parameters


def _build(run: RunSpec, seeds: tuple[int, ...], env_path: EnvPath) -> tuple[Any, Any]:
    """The algorithm's sampler and learner, as a trial builds them, but without the Ray that an `Algorithm` starts."""
    from algorithms.env_runner import StackedEnvRunner
    from algorithms.ppo_lagrangian import PPOLagrangianConfig

    config = (
        PPOLagrangianConfig()
        .environment(run.task)
        .training(**run.parameters.model_dump())
        .lagrangian(**run.lagrangian.model_dump(), cost_limit=run.cost_limits)
        .seeds(seeds)
        .budget(env_steps=run.env_steps)
        .paths(env=env_path)
    )
    runner = StackedEnvRunner(config=config)
    learner = config.build_learner(spaces=runner.get_spaces())
    learner.build()
    return runner, learner


def _iterate(runner: Any, learner: Any) -> tuple[float, float]:
    """Seconds of sampling and of learning."""
    from ray.rllib.core.learner.training_data import TrainingData

    started = time.perf_counter()
    rollout = runner.sample()
    sampled = time.perf_counter()
    learner.update(TrainingData(batch=rollout))
    return sampled - started, time.perf_counter() - sampled


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
