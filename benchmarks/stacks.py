"""Episodes on the stack that Safety-Gymnasium was published for, against this one's: are they distributed alike?

    python benchmarks/stacks.py record --original old.npz      # there
    python -m benchmarks.stacks record new.npz                 # here
    python -m benchmarks.stacks compare old.npz new.npz        # writes results/stacks.json and .md

*There* is an environment of its own with Python 3.10, safety-gymnasium 1.0.0, gymnasium 0.28.1, mujoco 2.3.3, numpy
1.23.5 and pygame 2.6.1. Step by step the two part within some tens of steps, because contacts are chaotic; what can be
compared is the return and the cost of whole episodes. Episode k is `reset(seed=k)` on both, with the same policy:
`random` draws uniform actions; `seek` drives a Point or Car by its lidar to the goal, the box or the lit button, and
round the circle; `trot` swings Ant's legs. Models are compiled without textures on both, which changes no step; here
the fast path plays the navigation tasks.

Episodes are paired by their seeds. Two tests use that: Student's of the paired differences asks whether the means
differ, Kolmogorov's and Smirnov's statistic whether the distributions do, with the p value of exchanging the two
episodes of random pairs, which under the hypothesis changes nothing; tables of that statistic take the samples for
independent and would find too little. The p values of one kind over all rows are adjusted by Holm's method, so that the
chance of any false finding among them stays below 5 % where adjusted p < 0.05 counts as one.
"""

import argparse
import re
import sys
from functools import partial
from pathlib import Path

import numpy as np

NUM_EXCHANGES = 9_999


def random_action(observation, step, noise):
    """Uniform in the action space."""
    return noise


def circle(observation, step, noise):
    """Half a metre a turn or so: round and round, across the walls."""
    return np.array([0.6, 0.35]) + 0.3 * noise


def seek_point(start, observation, step, noise):
    """Drives along the brightest of 16 lidar bins, which begin at `start`."""
    angle = _wrap(_brightest(observation[start : start + 16]))
    return np.array([np.cos(angle), angle]) + 0.3 * noise


def seek_car(start, observation, step, noise):
    """The same for a Car, whose front is at −y and whose wheels turn it."""
    angle = _wrap(_brightest(observation[start : start + 16]) + np.pi / 2)
    return np.cos(angle) * np.ones(2) + 0.2 * angle * np.array([1.0, -1.0]) + 0.3 * noise


def _brightest(lidar):
    return (np.argmax(lidar) + 0.5) * 2 * np.pi / 16 if lidar.max() > 0 else 0.5


def _wrap(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


def trot(observation, step, noise):
    """Two strides a second: opposite legs together, held to sines by proportional and damping torques."""
    phases = 2 * np.pi * (2.0 * 0.05 * step + np.array([0.0, 0.5, 0.5, 0.0]))
    outward = np.array([1.0, -1.0, -1.0, 1.0])
    wanted = np.stack([0.5 * np.sin(phases), outward * (0.9 + 0.35 * np.cos(phases))], axis=1).ravel()
    torques = wanted - observation[5:13] - 0.05 * observation[19:27]
    return np.clip(torques, -1.0, 1.0)[[6, 7, 0, 1, 2, 3, 4, 5]] + 0.1 * noise  # motors begin with the fourth leg


# Policies by task; `seek` is told where in the observation the lidar starts that it follows.
TASKS = {
    "SafetyPointCircle1-v0": {"random": random_action, "seek": circle},
    "SafetyPointGoal1-v0": {"random": random_action, "seek": partial(seek_point, 12)},
    "SafetyCarGoal1-v0": {"random": random_action, "seek": partial(seek_car, 24)},
    "SafetyPointPush1-v0": {"random": random_action, "seek": partial(seek_point, 12 + 3 * 16)},
    "SafetyPointButton1-v0": {"random": random_action, "seek": partial(seek_point, 12 + 16)},
    "SafetyAntVelocity-v1": {"random": random_action, "trot": trot},
}


def original_maker():
    """How the original stack makes an environment, its textures stripped."""
    import mujoco
    import safety_gymnasium

    compile_xml = mujoco.MjModel.from_xml_string

    def compile_without_textures(xml, *rest):
        for pattern in (r"<texture[^>]*>(</texture>)?", r"<material[^>]*>(</material>)?", r' material="[^"]*"'):
            xml = re.sub(pattern, "", xml)
        return compile_xml(xml, *rest)

    class Stripped:
        from_xml_string = staticmethod(compile_without_textures)
        from_xml_path = staticmethod(mujoco.MjModel.from_xml_path)

    safety_gymnasium.world.mujoco = type(sys)("mujoco")
    safety_gymnasium.world.mujoco.__dict__.update({**mujoco.__dict__, "MjModel": Stripped})
    return safety_gymnasium.make


def episode(env, policy, seed):
    """Return and cost of one episode."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    total, step, ended = np.zeros(2), 0, False
    while not ended:
        action = policy(observation, step, rng.uniform(-1.0, 1.0, env.action_space.shape[0]))
        observation, reward, cost, terminated, truncated, _ = env.step(action)
        total += reward, cost
        step += 1
        ended = terminated or truncated
    return total


def play(make, env_id, policy, seeds):
    """Returns and costs of plain episodes, one after the other."""
    env = make(env_id)
    totals = np.array([episode(env, policy, seed) for seed in seeds])
    env.close()
    return totals


def play_together(env_id, policy, seeds):
    """The same from the fast path, all at once."""
    from environments.navigation import NavigationBatch

    batch = NavigationBatch(env_id, len(seeds), np.array(seeds))
    generators = [np.random.default_rng(seed) for seed in seeds]
    observations, totals, running = batch.reset(), np.zeros((len(seeds), 2)), np.ones(len(seeds), dtype=bool)
    for moment in range(batch.horizon):
        noise = [rng.uniform(-1.0, 1.0, batch.action_size) for rng in generators]
        each = zip(observations, noise, strict=True)
        step = batch.step(np.array([policy(seen, moment, drawn) for seen, drawn in each]))
        totals[running] += np.stack([step.rewards, step.costs[:, 0]], axis=1)[running]
        running &= ~(step.terminated | step.truncated)
        observations = step.observations
    return totals


def record(args):
    """Plays the episodes and keeps their totals, saving after each policy."""
    totals = dict(np.load(args.file)) if Path(args.file).exists() else {}
    seeds = range(args.first_seed, args.first_seed + args.episodes)
    if args.original:
        make = original_maker()
    else:
        from environments.navigation import supports
        from environments.safety_gymnasium import make
    for env_id in args.tasks:
        for name, policy in TASKS[env_id].items():
            key = f"{env_id}/{name}"
            if name not in args.policies or len(totals.get(key, ())) >= args.episodes:
                continue
            if not args.original and supports(env_id):
                totals[key] = play_together(env_id, policy, seeds)
            else:
                totals[key] = play(make, env_id, policy, seeds)
            np.savez(args.file, **totals)
            print(key, totals[key].mean(axis=0), flush=True)


def largest_gap(before, after):
    """Kolmogorov's and Smirnov's statistic: the largest difference of two empirical distribution functions."""
    values = np.concatenate([before, after])
    shares = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (before, after)]
    return np.abs(shares[0] - shares[1]).max()


def exchange_p(before, after):
    """Share of random exchanges within pairs that part the distributions at least as far; the real one counts."""
    rng = np.random.default_rng(0)
    observed, as_far = largest_gap(before, after), 1
    for _ in range(NUM_EXCHANGES):
        swap = rng.random(len(before)) < 0.5
        gap = largest_gap(np.where(swap, after, before), np.where(swap, before, after))
        as_far += gap >= observed - 1e-12
    return as_far / (NUM_EXCHANGES + 1)


def holm(values):
    """Adjusted p values: the k-th smallest of m times (m − k + 1), never below a smaller one's, at most 1."""
    order = np.argsort(values)
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(values)[order] * factors))
    return adjusted.tolist()


def compare_totals(before, after):
    """Means and deviations, the paired difference with interval and p, the pairs' correlation, the exchange test."""
    from scipy.stats import ttest_rel

    described = {
        "episodes": len(before),
        "original": [float(before.mean()), float(before.std(ddof=1))],
        "here": [float(after.mean()), float(after.std(ddof=1))],
    }
    if np.array_equal(before, after):
        return {**described, "difference": [0.0, 0.0], "paired_p": 1.0, "correlation": 1.0, "exchange_p": 1.0}
    test = ttest_rel(after, before)
    low, high = test.confidence_interval()
    return {
        **described,
        "difference": [float(low), float(high)],
        "paired_p": float(test.pvalue),
        "correlation": float(np.corrcoef(before, after)[0, 1]),
        "exchange_p": float(exchange_p(before, after)),
    }


def table(measured):
    """The comparison in Markdown."""
    lines = [
        "| task | policy | of | original | here | difference (95 %) | r | p, means | adjusted | p, shapes | adjusted |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for key, each in measured.items():
        (low, high), before, after = each["difference"], each["original"], each["here"]
        lines.append(
            f"| {' | '.join(key.split('/'))} | {before[0]:.3f} ± {before[1]:.3f} | {after[0]:.3f} ± {after[1]:.3f} "
            f"| {low:+.3f} … {high:+.3f} | {each['correlation']:.2f} | {each['paired_p']:.3f} "
            f"| {each['paired_p_adjusted']:.2f} | {each['exchange_p']:.3f} | {each['exchange_p_adjusted']:.2f} |"
        )
    return "\n".join(lines)


def compare(args):
    """Tests returns and costs of every task and policy that both files hold; writes the results."""
    from benchmarks.provenance import RESULTS, write_result

    measured = {}
    with np.load(args.old) as old, np.load(args.new) as new:
        for key in (f"{env_id}/{policy}" for env_id, policies in TASKS.items() for policy in policies):
            if key in old.files and key in new.files:
                for column, name in enumerate(("return", "cost")):
                    measured[f"{key}/{name}"] = compare_totals(old[key][:, column], new[key][:, column])
    for test in ("paired_p", "exchange_p"):
        adjusted = holm([each[test] for each in measured.values()])
        for each, value in zip(measured.values(), adjusted, strict=True):
            each[f"{test}_adjusted"] = value
    path = write_result(args.name, measured)
    episodes = sorted({each["episodes"] for each in measured.values()})
    path.with_suffix(".md").write_text(
        f"{table(measured)}\n\nMean ± standard deviation over {episodes[0]} episodes; r: correlation of the pairs; "
        f"adjusted: Holm's method over the {len(measured)} rows. `{path.name}`.\n"
    )
    print(table(measured), f"written to {RESULTS}", sep="\n")


def main():
    """Records or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    recorder = commands.add_parser("record")
    recorder.add_argument("file")
    recorder.add_argument("--original", action="store_true")
    recorder.add_argument("--episodes", type=int, default=100)
    recorder.add_argument("--first-seed", type=int, default=0, help="a file holds the episodes of one first seed")
    policies = ["random", "seek", "trot"]
    recorder.add_argument("--policies", nargs="+", default=policies, choices=policies)
    recorder.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    recorder.set_defaults(run=record)
    comparer = commands.add_parser("compare")
    comparer.add_argument("old")
    comparer.add_argument("new")
    comparer.add_argument("--name", default="stacks", help="of the result files")
    comparer.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
