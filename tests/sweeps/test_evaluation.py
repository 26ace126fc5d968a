"""Held-out episodes and the choice of a policy, on tasks whose answers are known."""

import json
import math
import os
import pickle
import subprocess
import sys
from ctypes.util import find_library

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from scipy import stats

from environments.make import make_batch
from sweeps.choice import best_policy, choose, load_candidates, read_choice, write_choice
from sweeps.errors import NoFeasibleTrial
from sweeps.evaluation import REPORT_SEED, SELECTION_SEED, Evaluation, evaluate
from sweeps.policy import Policy, PolicyDescription, PolicyError, load_policies, load_policy, save_policy


def description(task, seeds=(0,), limits=None):
    limits = limits or {"cost": 12.0}
    return PolicyDescription(
        study="s", trial=3, arm="ga", task=task, algorithm="ppo_lagrangian", params={}, seeds=seeds, seed=seeds[0],
        cost_limits=limits, returns=(0.0,) * len(seeds), costs={name: (0.0,) * len(seeds) for name in limits},
        activation="tanh", squash="clip", observation_clip=5.0,
    )  # fmt: skip


def tensors(task, outputs, log_std=-20.0):
    """Policies of one layer that give constant actions: `outputs[s]` for seed s, in [−1, 1]."""
    batch = make_batch(task, num_envs=1, seeds=[0])
    seeds, size, actions = len(outputs), batch.observation_size, batch.action_size
    made = {
        "layer0.weight": np.zeros((seeds, size, actions)),
        "layer0.bias": np.array([[value] * actions for value in outputs], dtype=float),
        "observation_mean": np.zeros((seeds, size)),
        "observation_std": np.ones((seeds, size)),
        "log_std": np.full((seeds, actions), log_std),
        "action_low": batch.action_low,
        "action_high": batch.action_high,
    }
    batch.close()
    return made


@pytest.fixture
def bandit():
    """Constant actions −1, 0 and 1 in the bandit: its cost grows with the action."""
    made = tensors("analytic/bandit", [-1.0, 0.0, 1.0])
    told = description("analytic/bandit", (0, 1, 2), {"cost": 7.5})
    return [Policy(told, made, seed) for seed in (0, 1, 2)]


def by_hand(policy, seed, episodes):
    """The same episodes, one environment after the other."""
    found = []
    for index in range(episodes):
        batch = make_batch(policy.description.task, num_envs=1, seeds=[seed], first_env=index)
        observation, total, cost, ended = batch.reset(), 0.0, 0.0, False
        while not ended:
            step = batch.step(policy.act(observation))
            total, cost = total + step.rewards[0], cost + step.costs[0, 0]
            ended, observation = bool(step.terminated[0] | step.truncated[0]), step.observations
        found.append((total, cost))
    return np.array(found)


def test_episodes_are_whole_and_those_of_their_seeds(bandit):
    found = evaluate(bandit[1], 34)  # two batches: 32 and 2
    expected = by_hand(bandit[1], REPORT_SEED, 34)
    np.testing.assert_allclose(found.returns, expected[:, 0])
    np.testing.assert_allclose(found.costs["cost"], expected[:, 1])
    np.testing.assert_array_equal(evaluate(bandit[1], 34).returns, found.returns)
    assert (
        not np.array_equal(evaluate(bandit[1], 34, seed=SELECTION_SEED).returns, found.returns)
        or np.ptp(found.returns) == 0
    )


def test_noise_is_that_of_training():
    quiet, loud = (Policy(description("analytic/bandit"), tensors("analytic/bandit", [0.0], s)) for s in (-20.0, 0.0))
    drawn = loud.act(np.zeros((20_000, loud.observation_size)), np.random.default_rng(0))
    greedy = loud.act(np.zeros(loud.observation_size))
    # Outputs are N(0, 1) clipped to [−1, 1]: 2 Φ(−1) = 31.7 % of them lie at a bound.
    low, high = loud.scales()["low"], loud.scales()["high"]
    assert np.mean((drawn <= low) | (drawn >= high)) == pytest.approx(2 * stats.norm.cdf(-1.0), abs=0.01)
    np.testing.assert_allclose(greedy, (low + high) / 2.0)
    np.testing.assert_allclose(
        quiet.act(np.zeros((3, quiet.observation_size)), np.random.default_rng(0))[0], greedy, atol=1e-6
    )
    assert evaluate(loud, 4, explore=True).explores
    assert not np.allclose(evaluate(loud, 4, explore=True).costs["cost"], evaluate(loud, 4).costs["cost"])


def test_the_bound_by_hand():
    # Costs 10, 20, 30: mean 20, s = 10, one-sided t(0.95, 2) = 2.919986: 20 + 2.919986 · 10 / √3 = 36.8586.
    found = Evaluation(False, np.zeros(3), {"cost": np.array([10.0, 20.0, 30.0])}, 1)
    assert found.cost_bound() == pytest.approx(36.8586, abs=1e-3)
    assert found.keeps({"cost": 36.9})
    assert not found.keeps({"cost": 36.8})
    assert found.violation_share({"cost": 20.0}) == pytest.approx(1 / 3)
    assert found.mean_cost().mean == 20.0
    assert Evaluation(False, np.zeros(1), {"cost": np.ones(1)}, 1).cost_bound() == math.inf


def test_the_best_return_among_those_that_surely_keep_the_limit_is_chosen(bandit):
    choice = choose(bandit, episodes=20)
    costs = {key: found.cost_bound() for key, found in choice.candidates.items()}
    kept = [key for key, bound in costs.items() if bound <= 7.5]
    assert 0 < len(kept) < 3  # the case tells something
    assert choice.kept == tuple(kept)
    best = max(kept, key=lambda key: choice.candidates[key].mean_return.mean)
    assert ((3, choice.policy.seed), choice.feasible) == (best, True)
    assert {found.seed for found in choice.candidates.values()} == {SELECTION_SEED}
    assert (choice.greedy.seed, choice.exploring.seed) == (REPORT_SEED, REPORT_SEED)
    assert (choice.greedy.explores, choice.exploring.explores) == (False, True)
    assert json.dumps(choice.to_dict())


def test_a_larger_limit_of_the_deployment_is_a_margin(bandit):
    strict, loose = (choose(bandit, episodes=20, cost_limits={"cost": limit}) for limit in (7.5, 1000.0))
    assert (3, loose.policy.seed) == max(loose.candidates, key=lambda key: loose.candidates[key].mean_return.mean)
    assert strict.policy.seed != loose.policy.seed


def test_where_no_policy_keeps_the_limit_it_says_so_or_takes_the_nearest(bandit):
    with pytest.raises(NoFeasibleTrial, match="nearest: trial 3, seed"):
        choose(bandit, episodes=5, cost_limits={"cost": -1.0})
    choice = choose(bandit, episodes=5, cost_limits={"cost": -1.0}, require_feasible=False)
    assert not choice.feasible
    assert (3, choice.policy.seed) == min(choice.candidates, key=lambda key: choice.candidates[key].cost_bound())


def of_trial(trial, outputs, limit):
    """Policies of one trial of the bandit, trained for a limit."""
    told = description("analytic/bandit", tuple(range(len(outputs))), {"cost": limit})
    told = told.model_copy(update={"trial": trial})
    made = tensors("analytic/bandit", outputs)
    return [Policy(told, made, seed) for seed in told.seeds]


def test_several_trials_compete_each_by_its_own_limit():
    # Costs grow with the action: −1 keeps 0.5, and 1 keeps only the loose limit of its own trial, where it earns more.
    careful, bold = of_trial(1, [-1.0, 1.0], 0.5), of_trial(2, [1.0, -1.0], 1000.0)
    choice = choose([*careful, *bold], episodes=20)
    assert (choice.policy.description.trial, choice.policy.seed) == (2, 0)
    assert set(choice.kept) == {(1, 0), (2, 0), (2, 1)}
    assert "3 of 4 policies surely keep the limit, in 20 held-out episodes each (trials 1, 2)" in choice.summary()
    strict = choose([*careful, *bold], episodes=20, cost_limits={"cost": 0.5})
    assert strict.policy.act(np.zeros(strict.policy.observation_size)) == careful[0].scales()["low"]


@pytest.fixture
def folder(tmp_path):
    """A study's folder, whose driver wrote the candidates of two trials, and a record of its choice."""
    for trial, outputs in ((1, [-1.0, 1.0]), (2, [0.0])):
        of_trial(trial, outputs, 7.5)[0].save(tmp_path / "policies" / f"trial-{trial:04d}-0")
    of_trial(1, [0.5], 7.5)[0].save(tmp_path / "policies" / "trial-0001-1")  # of an earlier execution: does not count
    choice = choose(load_candidates(tmp_path), episodes=10)
    choice.policy.save(tmp_path / "policy")
    write_choice(tmp_path / "policy", choice)
    return tmp_path


def test_candidates_are_the_seeds_of_all_trials_each_of_its_last_execution(folder):
    found = load_candidates(folder)
    assert [(policy.description.trial, policy.seed) for policy in found] == [(1, 0), (1, 1), (2, 0)]
    np.testing.assert_array_equal(found[0].layers()[0][1], [-1.0] * found[0].layers()[0][1].size)


def test_without_a_question_the_best_policy_is_the_one_that_the_driver_chose(folder):
    recorded = read_choice(folder / "policy")
    found = best_policy(folder)
    assert found.choice is not None
    assert found.choice.to_dict() == recorded.to_dict()
    assert found.choice.greedy.num_episodes == 10
    assert best_policy(folder, episodes=12).choice.greedy.num_episodes == 12
    assert best_policy(folder, cost_limits={"cost": 1000.0}).choice.cost_limits == {"cost": 1000.0}
    (folder / "policy" / "choice.json").unlink()
    assert best_policy(folder).choice.greedy.num_episodes == 50


def test_a_recorded_choice_that_keeps_no_limit_is_refused_like_a_new_one(folder):
    choice = choose(load_candidates(folder), episodes=5, cost_limits={"cost": -1.0}, require_feasible=False)
    choice.policy.save(folder / "policy")
    write_choice(folder / "policy", choice)
    with pytest.raises(NoFeasibleTrial, match="no policy of 3 keeps it; nearest: trial"):
        best_policy(folder)
    assert not best_policy(folder, require_feasible=False).choice.feasible


@pytest.mark.parametrize("content", [b"", b"[]", b'{"seed": 0}', b"\x80\x04."])
def test_a_damaged_record_of_a_choice_says_so(folder, content):
    (folder / "policy" / "choice.json").write_bytes(content)
    with pytest.raises(PolicyError, match="choose again"):
        raise_rendered(folder)


def raise_rendered(folder):
    """Raises the error with its help, as the command line prints it."""
    try:
        best_policy(folder)
    except PolicyError as error:
        raise PolicyError(error.render()) from None


def test_nonsense_is_refused(bandit):
    with pytest.raises(ValueError, match="episodes >= 1"):
        evaluate(bandit[0], 0)
    with pytest.raises(ValueError, match="trained nothing"):
        evaluate(bandit[0], 1, seed=2)
    with pytest.raises(ValueError, match="two episodes"):
        choose([], episodes=5)
    with pytest.raises(ValueError, match="must name"):
        choose(bandit, episodes=5, cost_limits={"hazards": 1.0})


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("slot", ["policy.json", "policy.safetensors"])
def test_a_bomb_in_a_file_of_a_policy_does_nothing(tmp_path, slot):
    save_policy(tmp_path / "p", description("analytic/bandit"), tensors("analytic/bandit", [0.0]))
    sign = tmp_path / "exploded"
    for content in (pickle.dumps(_Bomb(sign)), b"", b"\x00" * 64, b"PK\x03\x04"):
        (tmp_path / "p" / slot).write_bytes(content)
        with pytest.raises(PolicyError) as caught:
            load_policy(tmp_path / "p")
        assert caught.value.code == "damaged-policy"
    assert not sign.exists()


def test_a_bomb_within_the_words_or_numbers_does_nothing(tmp_path):
    sign = tmp_path / "exploded"
    hidden = pickle.dumps(_Bomb(sign))
    told = description("analytic/bandit").model_copy(update={"params": {"kp": hidden.hex(), "!!python/object": "x"}})
    bytes_as_numbers = np.frombuffer(hidden, dtype=np.uint8).astype(float)[None]
    save_policy(tmp_path / "p", told, {**tensors("analytic/bandit", [0.0]), "extra": bytes_as_numbers})
    for name in ("module_state.pkl", "policy.pkl", "python_model.pkl", "evaluation.json"):
        (tmp_path / "p" / name).write_bytes(hidden)
    evaluate(load_policy(tmp_path / "p"), 1)
    assert not sign.exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.pop("observation_std"), "misses observation_std"),
        (lambda t: t.update({"layer0.bias": t["layer0.bias"][:0]}), "another number of seeds in layer0.bias"),
        (lambda t: t.update({"layer0.weight": t["layer0.weight"] + np.nan}), "not finite in layer0.weight"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path, change, told):
    made = tensors("analytic/bandit", [0.0])
    change(made)
    save_policy(tmp_path / "p", description("analytic/bandit"), made)
    with pytest.raises(PolicyError, match=told):
        load_policy(tmp_path / "p")


def test_an_export_holds_one_policy_alone(tmp_path, bandit):
    alone = load_policy(bandit[2].export(tmp_path / "alone"))
    assert alone.description.seeds == (2,)
    np.testing.assert_array_equal(
        alone.act(np.ones(alone.observation_size)), bandit[2].act(np.ones(alone.observation_size))
    )
    assert [policy.seed for policy in load_policies(tmp_path / "alone")] == [2]


def test_torchscript_acts_alike_without_lagsweep(tmp_path):
    generator = np.random.default_rng(0)
    made = tensors("Circle1", [0.0])
    size, actions = made["layer0.weight"].shape[1:]
    made |= {
        "layer0.weight": generator.normal(size=(1, size, 8)), "layer0.bias": generator.normal(size=(1, 8)),
        "layer1.weight": generator.normal(size=(1, 8, actions)), "layer1.bias": generator.normal(size=(1, actions)),
        "observation_mean": generator.normal(size=(1, size)), "observation_std": generator.uniform(0.1, 2.0, (1, size)),
    }  # fmt: skip
    policy = Policy(description("Circle1"), made)
    observations = generator.normal(scale=3.0, size=(50, size)).astype(np.float32)
    policy.export(tmp_path / "p.pt")
    np.savez(tmp_path / "o.npz", o=observations)
    code = (
        "import sys, numpy, torch; o = numpy.load(sys.argv[2])['o']; "
        "numpy.save(sys.argv[3], torch.jit.load(sys.argv[1])(torch.from_numpy(o)).numpy()); "
        "assert 'sweeps' not in sys.modules"
    )
    files = [str(tmp_path / name) for name in ("p.pt", "o.npz", "a.npy")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, *files], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), policy.act(observations), atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(find_library("EGL") is None, reason="needs libegl1")
def test_a_video_shows_the_policy_without_a_screen(tmp_path):
    policy = Policy(description("Circle1"), tensors("Circle1", [0.3]))
    path = policy.render(tmp_path / "videos" / "policy.mp4", steps=30)
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    images = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 384, 384, 3)
    assert len(images) == 31  # the first observation and 30 steps
    assert images[0].std() > 10.0  # not black
    assert np.abs(images[0].astype(int) - images[-1]).max() > 100  # the robot has moved


def test_what_cannot_be_rendered_is_refused(tmp_path, bandit):
    with pytest.raises(PolicyError, match="nothing to render"):
        bandit[0].render(tmp_path / "p.mp4")
    with pytest.raises(ValueError, match="mp4"):
        bandit[0].render(tmp_path / "p.gif")
