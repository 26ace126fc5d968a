import pytest
from pydantic import ValidationError

from algorithms.parameters import PID, GradientAscent
from algorithms.ppo_lagrangian import PPOLagrangianConfig


def test_lagrangian_chooses_update_parameters_and_limits() -> None:
    config = PPOLagrangianConfig().lagrangian(update="pid", kp=0.5, cost_limit=10.0)
    assert config.multiplier_parameters == PID(kp=0.5)
    assert config.cost_limits == {"cost": 10.0}
    config.lagrangian(ki=0.2, cost_limit={"hazards": 3, "vases": 1.5})
    assert config.multiplier_parameters == PID(kp=0.5, ki=0.2)
    assert config.cost_limits == {"hazards": 3.0, "vases": 1.5}


def test_another_update_starts_from_its_own_defaults() -> None:
    config = PPOLagrangianConfig().lagrangian(update="pid", init=0.5).lagrangian(update="ga")
    assert config.multiplier_parameters == GradientAscent()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"update": "gaa"}, "gaa"), ({"update": "ga", "kp": 1.0}, "kp"), ({"update": "ga", "lr": -1.0}, "lr")],
)
def test_unknown_names_and_values_out_of_range_are_refused(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        PPOLagrangianConfig().lagrangian(**arguments)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("limit", [-1.0, float("inf"), float("nan")])
def test_a_limit_is_a_number_from_zero_up(limit: float) -> None:
    with pytest.raises(ValueError, match="cost_limit"):
        PPOLagrangianConfig().lagrangian(cost_limit=limit)


def test_a_setting_of_rllibs_ppo_without_a_counterpart_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="kl_coeff"):
        PPOLagrangianConfig().training(kl_coeff=0.2)


def test_paths_change_only_what_is_given() -> None:
    config = PPOLagrangianConfig().paths(env="general", env_workers=2).paths(gradient="autograd")
    assert (config.env_path, config.env_workers, config.gradient_path) == ("general", 2, "autograd")
    assert config.paths(env_workers=0).env_workers == 0


def test_a_negative_number_of_worker_processes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`env_workers >= 0` must hold, but got env_workers=-1"):
        PPOLagrangianConfig().paths(env_workers=-1)


@pytest.mark.parametrize(
    "settings",
    [
        {"num_learners": 1},
        {"num_envs_per_env_runner": 7},
        {"rollout_fragment_length": 3},
        {"seed": 9},
        {"evaluation_interval": 1},
        {"env": None},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_that_nothing_reads_are_refused_by_name(settings: dict[str, object]) -> None:
    config = PPOLagrangianConfig().environment("analytic/bandit")
    for name, value in settings.items():
        setattr(config, name, value)
    with pytest.raises(ValueError, match=next(iter(settings))):
        config.validate()


def test_an_unknown_gradient_path_and_an_empty_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="'fused' or 'autograd'"):
        PPOLagrangianConfig().paths(gradient="fst")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="cost_limit"):
        PPOLagrangianConfig().lagrangian(cost_limit={})


def test_a_seed_is_a_whole_number() -> None:
    with pytest.raises(TypeError):
        PPOLagrangianConfig().seeds([0.7])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("seeds", [[], [-1], [3, 3]])
def test_seeds_are_different_and_from_zero_up(seeds: list[int]) -> None:
    with pytest.raises(ValueError, match="seeds"):
        PPOLagrangianConfig().seeds(seeds)


@pytest.mark.parametrize("stopped", [(4,), (0, 1)])
def test_stopped_seeds_are_some_of_the_seeds_and_never_all(stopped: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`stopped` must be some of the seeds \[0, 1\]"):
        PPOLagrangianConfig().seeds([0, 1], stopped=stopped)


@pytest.mark.parametrize(
    ("parameters", "runners", "rule"),
    [
        ({"steps_per_iteration": 1000, "num_envs": 7}, 0, "`steps_per_iteration` must be a multiple of `num_envs`"),
        ({"steps_per_iteration": 50, "num_envs": 10}, 0, "minibatch_size <= steps_per_iteration"),
        ({"num_envs": 10}, 3, "num_envs % num_env_runners"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(parameters: dict[str, int], runners: int, rule: str) -> None:
    config = PPOLagrangianConfig().environment("analytic/bandit").training(**parameters)
    with pytest.raises(ValueError, match=rule):
        config.env_runners(num_env_runners=runners).validate()
