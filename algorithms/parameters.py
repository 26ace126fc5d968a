"""Hyperparameters as data: what a study file may set, with ranges and defaults. No torch, no Ray.

A study searches over these names without a prefix, so no two models of a run may share a field name (tested).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Ema = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]


class Parameters(BaseModel):
    """A frozen group of hyperparameters; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FixedMultiplier(Parameters):
    """A multiplier that never moves: one point of a λ-profile."""

    update: Literal["fixed"] = "fixed"
    multiplier: NonNegative = Field(default=0.0, description="λ in σ(A_r) per unit of cost advantage; 0 is plain PPO")


class GradientAscent(Parameters):
    """Gradient ascent on λ, projected to λ ≥ 0; the papers' GA is `dual_optimizer: adam`."""

    update: Literal["ga"] = "ga"
    init: NonNegative = Field(default=0.001, description="λ before the first update")
    lr: Positive = Field(default=0.035, description="step size η; with adam about the change of λ per update")
    dual_optimizer: Literal["sgd", "adam"] = Field(default="adam", description="how J_c − d becomes a step")


class PID(Parameters):
    """A PID controller on λ, in OmniSafe's or in Stooke's form."""

    update: Literal["pid"] = "pid"
    form: Literal["omnisafe", "stooke"] = Field(default="omnisafe", description="omnisafe as published, or stooke")
    kp: NonNegative = Field(default=0.1, description="proportional gain, λ per unit of cost")
    ki: NonNegative = Field(default=0.01, description="integral gain, λ per unit of cost and update")
    kd: NonNegative = Field(default=0.01, description="derivative gain, λ per unit of cost per `delay` updates")
    init: NonNegative = Field(default=0.001, description="λ before the first update; starts OmniSafe's integral")
    ema_p: Ema = Field(default=0.95, description="EMA weight of the old value in the proportional term (omnisafe)")
    ema_d: Ema = Field(default=0.95, description="EMA weight of the old value in the derivative's cost (omnisafe)")
    delay: Count = Field(default=10, description="updates between the two costs of the derivative (omnisafe)")
    sum_norm: bool = Field(default=True, description="OmniSafe: no cap; False with diff_norm False applies penalty_max")
    diff_norm: bool = Field(default=False, description="OmniSafe: integral and λ are capped at 1")
    penalty_max: Positive = Field(default=100.0, description="cap of λ where neither norm is on (omnisafe)")


MultiplierParameters = Annotated[FixedMultiplier | GradientAscent | PID, Field(discriminator="update")]


class PPOParameters(Parameters):
    """PPO's hyperparameters; by default the preset `paper`: Spoor et al. 2025, Table A.1, else OmniSafe."""

    steps_per_iteration: Count = Field(default=20_000, description="env steps per seed between two updates")
    num_envs: Count = Field(default=10, description="environments per seed, stepped together")
    num_epochs: Count = Field(default=40, description="passes over the batch per iteration")
    minibatch_size: Count = Field(default=64, description="rows per gradient step and seed")
    actor_lr: Positive = Field(default=3e-4, description="Adam step size of the policy")
    critic_lr: Positive = Field(default=3e-4, description="Adam step size of the reward and cost critics")
    lr_decay: Literal["linear", "none"] = Field(
        default="linear", description="the policy's step size falls to 0 over the budget"
    )
    gamma: Fraction = Field(default=0.99, description="discount of rewards")
    lambda_: Fraction = Field(default=0.95, description="λ of GAE for rewards (not the constraint's λ)")
    cost_gamma: Fraction = Field(default=0.99, description="discount of costs")
    cost_lambda: Fraction = Field(default=0.95, description="λ of GAE for costs")
    clip_param: Positive = Field(default=0.2, description="PPO's ratio is clipped to 1 ± this")
    target_kl: Positive = Field(default=0.02, description="a seed stops its passes once KL(old‖new) exceeds this")
    entropy_coeff: NonNegative = Field(default=0.0, description="weight of the entropy bonus")
    grad_clip: Positive = Field(default=40.0, description="largest gradient norm, for each network of a seed apart")
    critic_norm_coeff: NonNegative = Field(default=0.001, description="weight of Σ p² in each critic's loss")
    hidden_sizes: tuple[Count, ...] = Field(default=(64, 64), min_length=1, description="units of the hidden layers")
    normalize_observations: bool = Field(default=True, description="by a running mean and standard deviation per seed")
    cost_window: Literal["iteration"] | Count = Field(
        default="iteration",
        description="J_c is the mean over the episodes finished in this iteration, or over the last N (OmniSafe: 50)",
    )
