"""Sums over a study, which the database computes and records define."""

from sweeps.ledger import Ledger, NewTrial, SeedProgress, driving, planned_env_steps

BUDGET = 1000


def progress(*env_steps: int) -> list[SeedProgress]:
    return [SeedProgress(seed, steps, 1, {"cost": 0.5}) for seed, steps in enumerate(env_steps)]


def test_planned_env_steps_are_those_of_the_trials(ledger: Ledger) -> None:
    new = [NewTrial(f"fixed:{n}", "fixed", {"multiplier": float(n)}) for n in range(4)]
    study = ledger.create_study("s", "", "a" * 64, [0, 1], new)
    ledger.create_study("another", "", "b" * 64, [0, 1], new)
    with driving(ledger, study) as writer:
        stopped, failed, running = (writer.ask(number, (0, 1), None) for number in range(3))
        for execution in (stopped, failed, running):
            writer.start(execution)
        writer.stop_seeds(stopped, progress(300, 300), {0: "hopeless"})
        writer.progress(failed, progress(200, 200))
        writer.fail(failed, "boom")
        writer.progress(running, progress(100, 100))

    # Of the first trial one seed has ended at 300 and one goes on; the second has ended; the others have not.
    assert planned_env_steps(ledger, study.id, BUDGET) == (300 + 1000) + (200 + 200) + 2 * 1000 + 2 * 1000
    trials = ledger.trials(study.id)
    assert planned_env_steps(ledger, study.id, BUDGET) == sum(trial.planned_env_steps(BUDGET) for trial in trials)
