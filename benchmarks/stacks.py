"""Episodes on the stack that Safety-Gymnasium was published for, against this one's: are they distributed alike?

    python benchmarks/stacks.py record --original old.npz      # there
    python -m benchmarks.stacks record new.npz                 # here
    python -m benchmarks.stacks compare old.npz new.npz        # writes results/stacks.json and .md

*There* is an environment of its own with Python 3.10, safety-gymnasium 1.0.0, gymnasium 0.28.1, mujoco 2.3.3, numpy
1.23.5 and pygame 2.6.1. Step by step the two part within some tens of steps, because contacts are chaotic; what can be
compared is the return and the cost of whole episodes. Episode k is `reset(seed=k)` on both, with the same policy:
`random` draws uniform actions; `seek` drives a Point or Car by its lidar to the goal, the box or the lit buttons, and
round the circle. Models are compiled without textures on both, which changes no step; here the fast path plays the
navigation tasks.

Episodes are paired by their seeds, so the paired difference is the test with power. Kolmogorov's and Smirnov's takes
the two samples for independent, which they are not: it is conservative.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np

# Policies by task; where a lidar of 16 bins that `seek` follows starts in the observation.
TASKS = {
    "SafetyPointCircle1-v0": {"random": None, "seek": -1},
    "SafetyPointGoal1-v0": {"random": None, "seek": 12},
    "SafetyCarGoal1-v0": {"random": None, "seek": 24},
    "SafetyPointPush1-v0": {"random": None, "seek": 12 + 3 * 16},
    "SafetyAntVelocity-v1": {"random": None},
    "SafetyPointButton1-v0": {"random": None, "seek": 12 + 16},
}


def act(policy, start, env_id, observation, rng, size):
    """The action: of a policy, from one observation."""
    noise = rng.uniform(-1.0, 1.0, size)
    if policy == "random":
        return noise
    if start < 0:  # half a metre a turn or so: round and round, across the walls
        return np.array([0.6, 0.35]) + 0.3 * noise
    lidar = observation[start : start + 16]
    angle = (np.argmax(lidar) + 0.5) * 2 * np.pi / 16 if lidar.max() > 0 else 0.5
    if "Car" in env_id:
        angle = angle + np.pi / 2  # its front is at −y
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    if "Car" in env_id:
        return np.cos(angle) * np.ones(2) + 0.2 * angle * np.array([1.0, -1.0]) + 0.3 * noise
    return np.array([np.cos(angle), angle]) + 0.3 * noise


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


def episode(env, env_id, policy, start, seed):
    """Return and cost of one episode."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    total, ended = np.zeros(2), False
    while not ended:
        action = act(policy, start, env_id, observation, rng, env.action_space.shape[0])
        observation, reward, cost, terminated, truncated, _ = env.step(action)
        total += reward, cost
        ended = terminated or truncated
    return total


def play(make, env_id, policy, start, seeds):
    """Returns and costs of plain episodes, one after the other."""
    env = make(env_id)
    totals = np.array([episode(env, env_id, policy, start, seed) for seed in seeds])
    env.close()
    return totals


def play_together(env_id, policy, start, seeds):
    """The same from the fast path, all at once."""
    from environments.navigation import NavigationBatch

    batch = NavigationBatch(env_id, len(seeds), np.array(seeds))
    generators = [np.random.default_rng(seed) for seed in seeds]
    observations, totals, running = batch.reset(), np.zeros((len(seeds), 2)), np.ones(len(seeds), dtype=bool)
    while running.any():
        each = zip(observations, generators, strict=True)
        step = batch.step(np.array([act(policy, start, env_id, seen, rng, batch.action_size) for seen, rng in each]))
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
        for policy in sorted(set(args.policies) & set(TASKS[env_id])):
            key, start = f"{env_id}/{policy}", TASKS[env_id][policy]
            if len(totals.get(key, ())) >= args.episodes:
                continue
            if not args.original and supports(env_id):
                totals[key] = play_together(env_id, policy, start, seeds)
            else:
                totals[key] = play(make, env_id, policy, start, seeds)
            np.savez(args.file, **totals)
            print(key, totals[key].mean(axis=0), flush=True)


def compare_totals(before, after):
    """Means, the paired difference with interval and p, the correlation of the pairs, Kolmogorov-Smirnov's p."""
    from scipy.stats import ks_2samp, ttest_rel

    test = ttest_rel(after, before)
    low, high = test.confidence_interval()
    return {
        "episodes": len(before),
        "original": [float(before.mean()), float(before.std(ddof=1))],
        "here": [float(after.mean()), float(after.std(ddof=1))],
        "difference": [float(low), float(high)],
        "paired_p": float(test.pvalue),
        "correlation": float(np.corrcoef(before, after)[0, 1]),
        "ks_p": float(ks_2samp(before, after).pvalue),
    }


def table(measured):
    """The comparison in Markdown."""
    lines = [
        "| task | policy | episodes | of | original | here | difference (95 %) | paired p | correlation | KS p |",
        "|---|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for key, each in measured.items():
        env_id, policy, name = key.split("/")
        (low, high), before, after = each["difference"], each["original"], each["here"]
        lines.append(
            f"| {env_id} | {policy} | {each['episodes']} | {name} | {before[0]:.3f} ± {before[1]:.3f} "
            f"| {after[0]:.3f} ± {after[1]:.3f} | {low:+.3f} … {high:+.3f} | {each['paired_p']:.3f} "
            f"| {each['correlation']:.2f} | {each['ks_p']:.2f} |"
        )
    return "\n".join(lines)


def compare(args):
    """Tests returns and costs of every task and policy that both files hold; writes the results."""
    from benchmarks.provenance import RESULTS, write_result

    measured = {}
    with np.load(args.old) as old, np.load(args.new) as new:
        for key in (key for key in old.files if key in new.files):
            for column, name in enumerate(("return", "cost")):
                measured[f"{key}/{name}"] = compare_totals(old[key][:, column], new[key][:, column])
    path = write_result(args.name, measured)
    path.with_suffix(".md").write_text(
        f"{table(measured)}\n\nMean ± standard deviation over episodes. `{path.name}`.\n"
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
    recorder.add_argument("--policies", nargs="+", default=["random", "seek"], choices=["random", "seek"])
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
