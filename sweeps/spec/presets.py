"""Hyperparameters of a study: a named preset of the study's algorithm and what differs from it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from algorithms.parameters import PPOParameters, SACParameters

PresetName = Literal["paper", "desk", "smoke"]
SACPresetName = Literal["paper", "desk", "smoke", "fac"]

# What a preset changes of the defaults of `PPOParameters`, which are those of the paper (Table A.1).
PPO_PRESETS: dict[PresetName, dict[str, Any]] = {
    "paper": {},
    "desk": {"steps_per_iteration": 4_000, "num_epochs": 10},  # minutes a trial on a desktop; learns the same way
    "smoke": {"steps_per_iteration": 1_000, "num_envs": 2, "num_epochs": 2},  # seconds: does it run at all?
}
# The same of `SACParameters`, which are OmniSafe's for the Point navigation tasks.
SAC_PRESETS: dict[SACPresetName, dict[str, Any]] = {
    "paper": {},
    "desk": {  # a quarter of an update per env step, of small networks with large steps: minutes for 60 000 env steps
        "num_envs": 4,
        "train_every": 8,
        "gradient_steps": 2,
        "policy_delay": 1,
        "learning_starts": 4_000,
        "buffer_size": 200_000,
        "batch_size": 128,
        "actor_lr": 3e-4,
        "tau": 0.01,
        "hidden_sizes": (64, 64),
        "auto_alpha": True,
        "alpha": 0.02,
        "cost_critics": 2,
        "multiplier_cadence": "iteration",
    },
    "smoke": {
        "steps_per_iteration": 500,
        "train_every": 10,
        "learning_starts": 200,
        "buffer_size": 2_000,
        "batch_size": 32,
        "hidden_sizes": (32, 32),
        "multiplier_cadence": "iteration",
    },
    "fac": {  # the published code of Ma et al. 2021, but for its decaying step sizes and its ELU
        "learning_starts": 3_000,
        "buffer_size": 500_000,
        "actor_lr": 3e-5,
        "critic_lr": 8e-5,
        "alpha_lr": 8e-5,
        "auto_alpha": True,
        "alpha": 1.0,
        "grad_clip": 10.0,
    },
}


class PPOHyperparameters(PPOParameters):
    """PPO's hyperparameters: those of the preset, each of which may be given another value."""

    preset: PresetName = Field(
        default="paper", description="paper: Table A.1; desk: smaller iterations; smoke: does it run"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        return _filled(data, PPO_PRESETS)

    def to_parameters(self) -> PPOParameters:
        """The hyperparameters alone, without the name of the preset."""
        return PPOParameters(**self.model_dump(exclude={"preset"}))


class SACHyperparameters(SACParameters):
    """SAC's hyperparameters: those of the preset, each of which may be given another value."""

    preset: SACPresetName = Field(
        default="paper",
        description="paper: OmniSafe's SACLag on Point tasks; desk: learns sooner; smoke: does it run; fac: as Ma 2021",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        return _filled(data, SAC_PRESETS)

    def to_parameters(self) -> SACParameters:
        """The hyperparameters alone, without the name of the preset."""
        return SACParameters(**self.model_dump(exclude={"preset"}))


class _OfAlgorithm(dict[str, Any]):
    """Keys of `hyperparameters`, with the algorithm that says what they mean and stands beside them in the file."""

    algorithm: str


def of_algorithm(algorithm: str, data: Any) -> Any:
    """Attaches the algorithm to the hyperparameters of a file; anything but a mapping passes unchanged."""
    if not isinstance(data, Mapping):
        return data
    tagged = _OfAlgorithm(data)
    tagged.algorithm = algorithm
    return tagged


def _algorithm_of(data: Any) -> str:
    if isinstance(data, _OfAlgorithm):
        return data.algorithm
    return "sac_lagrangian" if isinstance(data, SACParameters) else "ppo_lagrangian"


def _filled(data: Any, presets: Mapping[Any, Mapping[str, Any]]) -> Any:
    if not isinstance(data, dict):
        return data
    name = data.get("preset", "paper")
    return {**presets[name], **data} if name in list(presets) else data


HYPERPARAMETERS: dict[str, type[PPOHyperparameters] | type[SACHyperparameters]] = {
    "ppo_lagrangian": PPOHyperparameters,
    "sac_lagrangian": SACHyperparameters,
}
"""What `hyperparameters` may hold, by algorithm."""

Hyperparameters = Annotated[
    Annotated[PPOHyperparameters, Tag("ppo_lagrangian")] | Annotated[SACHyperparameters, Tag("sac_lagrangian")],
    Discriminator(_algorithm_of),
]
