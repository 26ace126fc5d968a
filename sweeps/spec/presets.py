"""Hyperparameters of a study: a named preset and what differs from it."""

from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from algorithms.parameters import PPOParameters

PresetName = Literal["paper", "desk", "smoke"]

# What a preset changes of the defaults of `PPOParameters`, which are those of the paper (Table A.1).
PRESETS: dict[PresetName, dict[str, Any]] = {
    "paper": {},
    "desk": {"steps_per_iteration": 4_000, "num_epochs": 10},  # minutes a trial on a desktop; learns the same way
    "smoke": {"steps_per_iteration": 1_000, "num_envs": 2, "num_epochs": 2},  # seconds: does it run at all?
}


class Hyperparameters(PPOParameters):
    """PPO's hyperparameters: those of the preset, each of which may be given another value."""

    preset: PresetName = Field(
        default="paper", description="paper: Table A.1; desk: smaller iterations; smoke: does it run"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        name = data.get("preset", "paper")
        return {**PRESETS[name], **data} if name in get_args(PresetName) else data

    def to_ppo(self) -> PPOParameters:
        """The hyperparameters alone, without the name of the preset."""
        return PPOParameters(**self.model_dump(exclude={"preset"}))
