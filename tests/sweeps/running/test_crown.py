"""The champion of a study: chosen by held-out episodes where the study's own env steps pay for them."""

from pathlib import Path

import pytest

from sweeps.choice import best_policy, load_candidates, read_choice
from sweeps.records import SeedRun, State, Trial
from sweeps.running.crown import affordable_episodes
from sweeps.spec import StudySpec
from sweeps.study import Study, create_study
from sweeps.tracking.events import PolicyAdded
from sweeps.tracking.spool import SPOOL_NAME, read_events


def trials(env_steps: int) -> list[Trial]:
    runs = tuple(SeedRun(seed, State.COMPLETE, env_steps=env_steps // 2) for seed in (0, 1))
    return [Trial(0, "a", "fixed", {}, State.COMPLETE, runs)]


def test_a_twentieth_of_the_studys_env_steps_pays_for_held_out_episodes():
    # 5 % of 400 000 are 20 000 env steps: for 4 policies 5 000 each, 10 episodes of 500.
    assert affordable_episodes(trials(400_000), 4, 500) == 10
    assert affordable_episodes(trials(390_000), 4, 500) == 0  # 9: training results tell more
    assert affordable_episodes(trials(40_000_000), 4, 500) == 50
    assert affordable_episodes(trials(800_000), 4, None) == 10  # as if an episode had 1 000


SPEC = StudySpec.model_validate(
    {
        "name": "crowned",
        "task": "analytic/bandit",
        "cost_limit": 1000.0,
        "env_steps": 4000,
        "seeds": 2,
        "hyperparameters": {"steps_per_iteration": 500, "num_envs": 5, "num_epochs": 2, "minibatch_size": 100},
        "lagrangian": {"update": "fixed"},
        "search": {"kind": "grid", "multiplier": [0.0, 1.0, 2.0, 3.0]},
    }
)


@pytest.fixture(scope="module")
def finished(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = create_study(SPEC, tmp_path_factory.mktemp("storage"))
    assert study.run(progress=False).is_finished
    return study


@pytest.mark.usefixtures("local_ray")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of RLlib's own, about its old API stack
def test_the_champion_is_the_best_of_several_trials_in_held_out_episodes(finished: Study):
    choice = read_choice(finished.folder / "policy")
    ranked = sorted(finished.trials, key=lambda trial: -trial.mean_return.mean if trial.mean_return else 0.0)
    assert {trial for trial, _ in choice.candidates} == {trial.number for trial in ranked[:3]}
    assert {seed for _, seed in choice.candidates} == {0, 1}
    best = max(choice.candidates.values(), key=lambda found: found.mean_return.mean)
    assert choice.feasible  # nobody reaches 1 000
    key = (choice.policy.description.trial, choice.policy.seed)
    assert choice.candidates[key].mean_return.mean == best.mean_return.mean

    policy = finished.best_policy()
    assert (policy.description.trial, policy.seed) == key
    [event] = [event for event in read_events(finished.folder / SPOOL_NAME) if isinstance(event, PolicyAdded)]
    assert (event.trial, Path(event.path).name) == (key[0], "policy")
    assert len(load_candidates(finished.folder)) == 6
    assert best_policy(finished.folder, episodes=3).choice is not None
