"""The last thing that a driver does: it writes the policies of the best trials and chooses the study's champion."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from environments.tasks import find_task
from sweeps.analysis.best import candidates
from sweeps.choice import CANDIDATES, CHOSEN, EPISODES, choose, load_candidates, save_choice
from sweeps.ledger import Writer
from sweeps.policy import Policy
from sweeps.records import Trial
from sweeps.running.champion import best_seed, export_policies
from sweeps.tracking import Tracker
from sweeps.tracking.run_params import run_params

if TYPE_CHECKING:
    from sweeps.study import Study

MOST_TRIALS = 3
"""Trials whose policies are candidates."""

SHARE = 0.05
"""Env steps of held-out episodes, at most, as a share of those that the study trained."""

FEWEST_EPISODES = 10
"""Episodes of a candidate below which training results decide: their own episodes tell more."""

_USUAL_HORIZON = 1000

logger = logging.getLogger(__name__)


def crown(study: "Study", writer: Writer, tracker: Tracker) -> None:
    """Writes the candidates of a study, and its champion where a trial is feasible.

    Held-out episodes choose the champion as `Study.best_policy` does, where a twentieth of the study's env steps pays
    for enough of them; else it is the best trial's seed that did best in training.

    Args:
        study: The study.
        writer: The right to write it.
        tracker: The study's open tracker.
    """
    trials = writer.ledger.trials(writer.study)
    best = candidates(study.spec, trials, MOST_TRIALS)
    for name in (CANDIDATES, CHOSEN):
        shutil.rmtree(study.folder / name, ignore_errors=True)
    try:
        written = [path for trial in best for path in _export(study, writer, trial)]
        champion = _champion(study, trials, best[0]) if written and best[0].feasible else None
    except OSError as error:  # everything is trained and recorded; the checkpoints stay
        logger.warning("The policies of study %s were not written: %s", study.name, error)
        return
    if champion is not None:
        tracker.policy(champion.description.trial, study.folder / CHOSEN)


def affordable_episodes(trials: Sequence[Trial], num_policies: int, horizon: int | None) -> int:
    """How many held-out episodes a candidate gets: as many as the share of the study's env steps allows, up to 50.

    Args:
        trials: The study's trials.
        num_policies: Candidates, ≥ 1.
        horizon: Steps of an episode, at most; None where the task does not say.

    Returns:
        The number; 0 where it is below `FEWEST_EPISODES`.
    """
    trained = sum(run.env_steps for trial in trials for run in trial.seed_runs)
    episodes = min(EPISODES, int(SHARE * trained) // (num_policies * (horizon or _USUAL_HORIZON)))
    return episodes if episodes >= FEWEST_EPISODES else 0


def _export(study: "Study", writer: Writer, trial: Trial) -> list[Path]:
    executions = [execution for execution, _, _ in writer.ledger.executions(writer.study, trial=trial.number)]
    return export_policies(
        study.spec,
        trial,
        executions,
        checkpoints=study.checkpoints,
        folder=study.folder / CANDIDATES,
        params=run_params(study.spec, trial),
    )


def _champion(study: "Study", trials: Sequence[Trial], best: Trial) -> Policy | None:
    policies = load_candidates(study.folder)
    episodes = affordable_episodes(trials, len(policies), find_task(study.spec.task).horizon)
    if episodes:
        choice = choose(policies, episodes=episodes, require_feasible=False)
        save_choice(study.folder / CHOSEN, choice)
        return choice.policy
    of_best = {policy.seed: policy for policy in policies if policy.description.trial == best.number}
    policy = of_best.get(best_seed(best.seed_runs, study.spec.resolve(best.arm, best.params).cost_limits))
    if policy is not None:
        policy.save(study.folder / CHOSEN)
    return policy
