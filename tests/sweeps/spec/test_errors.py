"""What a user sees who got a study file wrong: one error with its place, the rule and the next step."""

from pathlib import Path

import pytest

from sweeps.errors import ExitCode, SpecError
from sweeps.spec import StudySpec

GRID = """\
name: demo
task: Circle1
cost_limit: 60
env_steps: 100_000
seeds: 3
hyperparameters: {preset: desk}
arms:
  fixed: {lagrangian: {update: fixed}, search: {kind: grid, multiplier: paper}}
  ga: {lagrangian: {update: ga}}
"""
OPTUNA = """\
name: pid
task: Circle1
cost_limit: 60
env_steps: 100_000
seeds: 3
lagrangian: {update: pid}
search:
  kind: optuna
  trials: 60
  objectives: {return: maximize, cost: minimize}
  space:
    kp: {low: 1.0e-4, high: 1, log: true}
    delay: {low: 1, high: 10, step: 3}
"""


def refuse(text: str, folder: Path) -> SpecError:
    path = folder / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        StudySpec.from_yaml(path)
    error = caught.value
    assert error.exit_code == ExitCode.USAGE
    assert error.location is not None
    assert error.location.file == str(path)
    return error


def place(error: SpecError) -> str:
    """Line, column and the marked text."""
    spot = error.location
    assert spot is not None
    return f"{spot.line}:{spot.column} {spot.text[spot.column - 1 : spot.column - 1 + spot.width]}"


# What is replaced in the file, by what, where the error points, its key, its code, its message and its help.
CASES = [
    # Unknown names, with the nearest known one.
    ("seeds: 3", "seds: 3", "5:1 seds", "seds", "unknown-key", "unknown key", "did you mean `seeds`?"),
    ("preset: desk", "num_epoch: 3", "6:19 num_epoch", "hyperparameters.num_epoch", "unknown-key", "unknown key",
     "did you mean `num_epochs`?"),
    ("update: ga", "update: ga, lrr: 1", "9:33 lrr", "arms.ga.lagrangian.lrr", "unknown-key", "unknown key",
     "did you mean `lr`?"),
    ("update: ga", "update: ga, kp: 1", "9:33 kp", "arms.ga.lagrangian.kp", "unknown-key", "unknown key",
     "`kp` belongs to update: pid"),
    ("preset: desk", "kp: 3", "6:19 kp", "hyperparameters.kp", "unknown-key", "unknown key",
     "`kp` is a key of `lagrangian`"),
    ("seeds: 3", "seeds: 3\nnum_envs: 2", "6:1 num_envs", "num_envs", "unknown-key", "unknown key",
     "`num_envs` is a key of `hyperparameters`"),
    ("arms:", "armz:", "7:1 armz", "armz", "unknown-key", "unknown key", "did you mean `arms`?"),
    ("update: ga", "updat: ga", "9:21 updat", "arms.ga.lagrangian.updat", "unknown-key", "unknown key",
     "did you mean `update`?"),
    ("multiplier: paper", "multiplyer: [1]", "8:61 multiplyer", "arms.fixed.search.multiplyer", "unknown-key",
     "update `fixed` has no `multiplyer` to search", "did you mean `multiplier`?"),
    ("task: Circle1", "task: Cirle1", "2:7 Cirle1", "task", "unknown-name", "Did you mean 'Circle1'", None),
    ("task: Circle1", "task: Circle1\nalgorithm: ppo_lagrange", "3:12 ppo_lagrange", "algorithm", "unknown-name",
     "unknown value 'ppo_lagrange'", "did you mean `ppo_lagrangian`?"),
    ("update: ga", "update: gga", "9:29 gga", "arms.ga.lagrangian.update", "unknown-name", "unknown value 'gga'",
     "did you mean `ga`?"),
    ("kind: grid", "kind: gird", "8:55 gird", "arms.fixed.search.kind", "unknown-name", "unknown value 'gird'",
     "did you mean `grid`?"),
    ("preset: desk", "preset: dsk", "6:27 dsk", "hyperparameters.preset", "unknown-name", "unknown value 'dsk'",
     "did you mean `desk`?"),
    ("update: ga", "update: ga, dual_optimizer: adm", "9:49 adm", "arms.ga.lagrangian.dual_optimizer",
     "unknown-name", "unknown value 'adm'", "did you mean `adam`?"),
    # Ranges.
    ("seeds: 3", "seeds: 0", "5:8 0", "seeds", "out-of-range", "`seeds >= 1` must hold, but got 0", None),
    ("seeds: 3", "seeds: []", "5:8 []", "seeds", "out-of-range", "must not be empty", None),
    ("seeds: 3", "seeds: [1, 2, 1]", "5:15 1", "seeds[2]", "out-of-range", "seed 1 stands twice", "a seed is one run"),
    ("seeds: 3", "seeds: [1, -2]", "5:12 -2", "seeds[1]", "out-of-range", "`seeds[1] >= 0` must hold", None),
    ("cost_limit: 60", "cost_limit: -1", "3:13 -1", "cost_limit", "out-of-range",
     "`cost_limit >= 0` must hold, but got -1", None),
    ("cost_limit: 60", "cost_limit: {hazards: -1}", "3:23 -1", "cost_limit.hazards", "out-of-range",
     "`hazards >= 0` must hold, but got -1", None),
    ("cost_limit: 60", "cost_limit: {}", "3:13 {}", "cost_limit", "out-of-range", "must not be empty", None),
    ("cost_limit: 60", "cost_limit: .inf", "3:13 .inf", "cost_limit", "out-of-range", "must be finite", None),
    ("multiplier: paper", "multiplier: []", "8:73 []", "arms.fixed.search.multiplier", "out-of-range",
     "must not be empty", None),
    (", multiplier: paper", "", "8:48 {kind: grid}", "arms.fixed.search", "empty-grid", "at least one list", "example"),
    ("multiplier: paper", "multiplier: [0, 1, -1]", "8:80 -1", "arms.fixed.search.multiplier[2]", "out-of-range",
     "`multiplier >= 0` must hold, but got -1", None),
    ("multiplier: paper", "multiplier: [0, 1, 1.0]", "8:80 1.0", "arms.fixed.search.multiplier[2]", "out-of-range",
     "1.0 stands twice", None),
    ("multiplier: paper", "actor_lr: paper", "8:71 paper", "arms.fixed.search.actor_lr", "out-of-range",
     "no published grid for `actor_lr`", "give a list"),
    ("task: Circle1", "task: Circle2", "8:73 paper", "arms.fixed.search.multiplier", "out-of-range",
     "no published grid of task Circle2", "give a list"),
    ("name: demo", "name: ../x", "1:7 ../x", "name", "out-of-range", "letters, digits", None),
    ("ga: {lag", "g/a: {lag", "9:3 g/a", "arms.g/a", "out-of-range", "letters, digits", None),
    # What does not fit together.
    ("env_steps: 100_000", "env_steps: 1000", "4:12 1000", "env_steps", "out-of-range",
     "`env_steps >= steps_per_iteration` must hold, but got 1000 < 4000", "smoke"),
    ("preset: desk", "minibatch_size: 30000", "6:35 30000", "hyperparameters.minibatch_size", "out-of-range",
     "`minibatch_size <= steps_per_iteration` must hold, but got 30000 > 20000", None),
    ("preset: desk", "num_envs: 7", "6:18 {num_envs: 7}", "hyperparameters", "out-of-range",
     "a multiple of `num_envs`, but got 20000 and 7", "the nearest multiple is 19999"),
    ("multiplier: paper", "num_envs: [10, 3]", "8:71 [10, 3]", "arms.fixed.search.num_envs", "out-of-range",
     "a multiple of `num_envs`, but got 4000 and 3", "the nearest multiple is 3999"),
    ("arms:", "lagrangian: {update: ga}\narms:", "7:13 {update: ga}", "lagrangian", "out-of-range",
     "`arms` and `lagrangian` exclude each other", "move it into an arm"),
    # Types.
    ("seeds: 3", "seeds: true", "5:8 true", "seeds", "wrong-type", "must be an integer or a list, but got True", None),
    ("seeds: 3", "seeds: [1, a]", "5:12 a", "seeds[1]", "wrong-type", "must be an integer, but got 'a'", None),
    ("cost_limit: 60", "cost_limit: '60'", "3:13 '60'", "cost_limit", "wrong-type",
     "must be a number or a mapping of keys to values, but got '60'", None),
    ("name: demo", "name: 5", "1:7 5", "name", "wrong-type", "must be text, but got 5", None),
    ("env_steps: 100_000", "env_steps: 1e5", "4:12 1e5", "env_steps", "wrong-type",
     "must be an integer, but got 100000.0", "write 100000"),
    ("multiplier: paper", "multiplier: papr", "8:73 papr", "arms.fixed.search.multiplier", "wrong-type",
     "must be a list or 'paper', but got 'papr'", None),
    ("preset: desk", "hidden_sizes: 64", "6:33 64", "hyperparameters.hidden_sizes", "wrong-type",
     "must be a list, but got 64", None),
    ("preset: desk", "cost_window: all", "6:32 all", "hyperparameters.cost_window", "wrong-type",
     "must be 'iteration' or an integer, but got 'all'", None),
    ("ga: {lagrangian: {update: ga}}", "ga:", "9:3 ga", "arms.ga", "wrong-type", "must be a mapping", None),
    # What is missing.
    ("cost_limit: 60\n", "", "1:1 n", "cost_limit", "missing-key", "`cost_limit` is missing", None),
    ("update: ga", "", "9:20 {}", "arms.ga.lagrangian.update", "missing-key", "`update` is missing", None),
    ("ga: {lagrangian: {update: ga}}", "ga: {}", "9:7 {}", "arms.ga.lagrangian", "missing-key",
     "`lagrangian` is missing", None),
]  # fmt: skip
SEARCH_CASES = [
    ("low: 1.0e-4, high: 1", "low: 1, high: 0.1", "12:9 {low: 1, high: 0.1, log: true}", "search.space.kp",
     "inverted-range", "`low <= high` must hold, but got low=1, high=0.1", "did you mean {low: 0.1, high: 1}?"),
    ("low: 1.0e-4", "low: 0", "12:15 0", "search.space.kp.low", "inverted-range", "`low > 0` must hold with log: true",
     "drop log"),
    ("low: 1.0e-4, high: 1, log: true", "low: -1, high: 1", "12:15 -1", "search.space.kp.low", "out-of-range",
     "`kp >= 0` must hold, but got -1", None),
    ("log: true", "log: true, step: 0.1", "12:49 0.1", "search.space.kp.step", "out-of-range",
     "`step` and `log: true` exclude each other", "drop one"),
    ("step: 3", "step: 4", "13:37 4", "search.space.delay.step", "out-of-range",
     "`high - low` must be a multiple of `step`, but got 1 … 10 by 4", "included"),
    ("log: true", "logg: true", "12:32 logg", "search.space.kp.logg", "unknown-key", "unknown key",
     "did you mean `log`?"),
    ("kp: {", "kpp: {", "12:5 kpp", "search.space.kpp", "unknown-key", "update `pid` has no `kpp` to search",
     "did you mean `kp`?"),
    ("kp: {low: 1.0e-4, high: 1, log: true}", "form: {low: 0, high: 1}", "12:11 {low: 0, high: 1}",
     "search.space.form", "wrong-type", "`form` is no number", "form: {choices: [...]}"),
    ("kp: {low: 1.0e-4, high: 1, log: true}", "form: {choices: [stook]}", "12:22 stook",
     "search.space.form.choices[0]", "unknown-name", "unknown value 'stook'", "did you mean `stooke`?"),
    ("kp: {low: 1.0e-4, high: 1, log: true}", "kp: {choices: []}", "12:19 []", "search.space.kp.choices",
     "out-of-range", "must not be empty", None),
    ("low: 1, high: 10, step: 3", "low: 1.5, high: 3", "13:12 {low: 1.5, high: 3}", "search.space.delay",
     "wrong-type", "an integer range must have integer ends", None),
    ("step: 3", "type: float", "13:37 float", "search.space.delay.type", "wrong-type", "`delay` is an integer",
     "type: int"),
    ("kp: {low: 1.0e-4, high: 1, log: true}", "num_envs: {low: 5, high: 8}", "12:15 {low: 5, high: 8}",
     "search.space.num_envs", "out-of-range", "a multiple of `num_envs`, but got 20000 and 6", "the nearest multiple"),
    ("trials: 60", "trials: 0", "9:11 0", "search.trials", "out-of-range", "`trials >= 1` must hold", None),
    ("  trials: 60\n", "", "7:1 search", "search.trials", "missing-key", "`trials` is missing", None),
    ("return: maximize", "return: minimize", "10:24 minimize", "search.objectives.return", "out-of-range",
     "`return: maximize` must hold, but got minimize", None),
    ("return: maximize", "retrun: maximize", "10:16 retrun", "search.objectives.retrun", "unknown-name",
     "unknown value 'retrun'", "did you mean `return`?"),
    ("kind: optuna", "kind: optuna\n  sampler: tep", "9:12 tep", "search.sampler", "unknown-name",
     "unknown value 'tep'", "did you mean `tpe`? known: cmaes, gp, nsga2, nsga3, qmc, random, tpe"),
    ("lagrangian: {update: pid}\n", "", "1:1 n", "lagrangian", "missing-key", "`lagrangian` is missing", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "case"),
    [(GRID, case) for case in CASES] + [(OPTUNA, case) for case in SEARCH_CASES],
    ids=lambda value: f"{value[1]}" if isinstance(value, tuple) else "",
)
def test_a_mistake_is_shown_once_where_it_is_with_the_rule(
    text: str, case: tuple[str, str, str, str, str, str, str | None], tmp_path: Path
):
    old, new, where, key, code, message, help = case
    assert text.count(old) >= 1
    error = refuse(text.replace(old, new, 1), tmp_path)
    assert place(error) == where
    assert (error.key, error.code) == (key, code)
    assert message in error.message
    assert (error.help is None) == (help is None)
    assert help is None or (error.help is not None and help in error.help)


def test_the_files_the_cases_change_are_themselves_valid():
    assert StudySpec.from_text(GRID).name == "demo"
    assert StudySpec.from_text(OPTUNA).name == "pid"


def test_of_several_mistakes_the_first_in_the_file_is_shown_but_an_unknown_key_before_all(tmp_path: Path):
    both = GRID.replace("seeds: 3", "seeds: 0").replace("cost_limit: 60", "cost_limit: -1")
    assert refuse(both, tmp_path).key == "cost_limit"
    assert refuse(both.replace("preset: desk", "prest: desk"), tmp_path).key == "hyperparameters.prest"


def test_a_value_that_is_a_block_is_shown_by_its_key(tmp_path: Path):
    block = OPTUNA.replace("low: 1.0e-4, high: 1, log: true", "low: 1, high: 0.1").replace(
        "kp: {low: 1, high: 0.1}", "kp:\n      low: 1\n      high: 0.1"
    )
    assert place(refuse(block, tmp_path)) == "12:5 kp"


def test_a_date_may_be_a_name():
    assert StudySpec.from_text(GRID.replace("name: demo", "name: 2026-01-31")).name == "2026-01-31"
