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
Whole = Annotated[int, Field(ge=0)]


class Parameters(BaseModel):
    """A frozen group of hyperparameters; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FixedMultiplier(Parameters):
    """A multiplier that never moves: one point of a λ-profile."""

    update: Literal["fixed"] = "fixed"
    multiplier: NonNegative = Field(
        default=0.0, description="λ per unit of cost, in σ(A_r) (PPO) or reward (SAC); 0 ignores cost"
    )


class AdaptiveMultiplier(Parameters):
    """What every update that moves λ has: its start, its cap, and a schedule around it."""

    init: NonNegative = Field(default=0.001, description="λ before the first update; starts OmniSafe's integral")
    multiplier_max: Positive | None = Field(default=None, description="cap of λ, without wind-up; null is none")
    cost_ema: Ema = Field(default=0.0, description="EMA weight of the old value in the J_c that the update sees")
    warmup_iterations: Whole = Field(default=0, description="iterations in which λ keeps `init`")
    update_every: Count = Field(default=1, description="iterations per step of λ")
    limit_start: NonNegative | None = Field(
        default=None, description="cost limit of the first iteration, led to `cost_limit`; null is no schedule"
    )
    limit_shape: Literal["step", "linear"] = Field(default="step", description="how `limit_start` leads there")
    limit_iterations: Count = Field(default=100, description="iterations until `cost_limit` holds")


class GradientAscent(AdaptiveMultiplier):
    """Gradient ascent on λ, projected to λ ≥ 0; the papers' GA is `dual_optimizer: adam`."""

    update: Literal["ga"] = "ga"
    lr: Positive = Field(default=0.035, description="step size η; with adam about the change of λ per update")
    dual_optimizer: Literal["sgd", "adam"] = Field(default="adam", description="how J_c − d becomes a step")


class PID(AdaptiveMultiplier):
    """A PID controller on λ, in OmniSafe's or in Stooke's form."""

    update: Literal["pid"] = "pid"
    form: Literal["omnisafe", "stooke"] = Field(default="omnisafe", description="omnisafe as published, or stooke")
    kp: NonNegative = Field(default=0.1, description="proportional gain, λ per unit of cost")
    ki: NonNegative = Field(default=0.01, description="integral gain, λ per unit of cost and update")
    kd: NonNegative = Field(default=0.01, description="derivative gain, λ per unit of cost per `delay` updates")
    ema_p: Ema = Field(default=0.95, description="EMA weight of the old value in the proportional term (omnisafe)")
    ema_d: Ema = Field(default=0.95, description="EMA weight of the old value in the derivative's cost (omnisafe)")
    delay: Count = Field(default=10, description="updates between the two costs of the derivative (omnisafe)")
    sum_norm: bool = Field(default=True, description="OmniSafe: no cap; False with diff_norm False applies penalty_max")
    diff_norm: bool = Field(default=False, description="OmniSafe: integral and λ are capped at 1")
    penalty_max: Positive = Field(default=100.0, description="cap of λ where neither norm is on (omnisafe)")


class NuPI(AdaptiveMultiplier):
    """νPI: gradient ascent damped by the change of a smoothed error."""

    update: Literal["nupi"] = "nupi"
    kp: NonNegative = Field(default=0.1, description="proportional gain, λ per unit of cost; 0 is gradient ascent")
    ki: NonNegative = Field(default=0.01, description="integral gain, λ per unit of cost and update")
    nu: Ema = Field(default=0.0, description="EMA weight of the old value in the proportional term's error")


class ADRC(AdaptiveMultiplier):
    """Active disturbance rejection control of λ: an observer, a transient reference and a PD law."""

    update: Literal["adrc"] = "adrc"
    observer_bandwidth: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.5, description="ω of the extended state observer, per update"
    )
    k_ap: NonNegative = Field(default=0.25, description="gain on the cost's distance from the reference, per update²")
    k_ad: NonNegative | None = Field(default=None, description="gain on its derivative, per update; null is 2 √k_ap")
    transient_rate: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        default=0.1, description="speed of the reference from the first cost to the limit, per update; 0 is flat"
    )
    plant_gain: Positive = Field(default=20.0, description="pull of λ = 1 on the cost, cost units per update²")


class AugmentedLagrangian(AdaptiveMultiplier):
    """A quadratic penalty on the violation beside a dual variable that moves by gradient ascent."""

    update: Literal["augmented_lagrangian"] = "augmented_lagrangian"
    lr: Positive = Field(default=0.01, description="step size of the dual variable, λ per unit of cost and update")
    penalty: NonNegative = Field(default=0.1, description="weight w of the quadratic penalty, λ per unit of cost")
    penalty_growth: Annotated[float, Field(ge=1.0, allow_inf_nan=False)] = Field(
        default=1.0, description="factor on w where a violation persists; 1 keeps w"
    )
    penalty_cap: NonNegative = Field(default=1.0, description="w does not grow beyond this, λ per unit of cost")
    required_decrease: Fraction = Field(
        default=0.25, description="a violation persists unless it fell to this share of the last one"
    )


class NetworkMultiplier(Parameters):
    """One multiplier per state, given by a network: ALaM (penalty and regression) and the other three of its ablation.

    `penalty: off` with `target: ascent` is the naive network of Feasible Actor-Critic.
    """

    update: Literal["network"] = "network"
    penalty: Literal["on", "off"] = Field(default="on", description="whether the policy sees max(0, λ(s) + ρ g(s))")
    target: Literal["regression", "ascent"] = Field(
        default="regression", description="the network regresses to max(0, λ(s) + ρ g(s)), or ascends λ(s) g(s)"
    )
    constraint: Literal["cost_value", "feasibility", "reachability"] = Field(
        default="cost_value", description="g(s): discounted cost less d_s, feasibility less p, or reachability"
    )
    state_limit: NonNegative | None = Field(
        default=None, description="d_s, discounted cost (cost_value); null derives it from `cost_limit`"
    )
    feasibility_threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        default=0.1, description="p: a state is feasible below this (feasibility)"
    )
    cost_threshold: Positive = Field(default=0.5, description="a step that costs more is a violation (reachability)")
    penalty_weight: Positive = Field(default=0.1, description="ρ, λ per unit of g")
    penalty_growth: Annotated[float, Field(ge=1.0, allow_inf_nan=False)] = Field(
        default=1.0, description="factor on ρ where violations persist; 1 keeps ρ"
    )
    penalty_cap: Positive = Field(default=1.0, description="ρ does not grow beyond this")
    penalty_every: Count = Field(default=1000, description="steps of the network between two tests for growth of ρ")
    required_decrease: Fraction = Field(
        default=0.25, description="violations persist unless they fell to this share of those at the last test"
    )
    init: Positive = Field(default=0.1, description="λ of every state before the first update")
    multiplier_max: Positive = Field(default=50.0, description="cap of λ; infeasible states have no finite λ")
    lr: Positive = Field(default=3e-4, description="Adam step size of the network")
    multiplier_grad_clip: Positive = Field(default=40.0, description="largest gradient norm of a seed's network")
    update_every: Count = Field(default=1, description="steps of the policy per step of the network")
    multiplier_tau: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=0.005, description="share of the new parameters in each Polyak step of the target copy (regression)"
    )
    multiplier_hidden_sizes: tuple[Count, ...] = Field(
        default=(256, 256), description="units of the hidden layers; none is linear in the observation"
    )
    multiplier_activation: Literal["relu", "elu", "tanh"] = Field(default="relu", description="of the hidden layers")
    output: Literal["softplus", "tanh"] = Field(
        default="softplus", description="λ = log(1 + exp x), or ½ λ_max (1 + tanh(2x / λ_max))"
    )


ScalarMultiplier = FixedMultiplier | GradientAscent | PID | NuPI | ADRC | AugmentedLagrangian
"""Updates of one λ per cost."""

MultiplierParameters = Annotated[ScalarMultiplier | NetworkMultiplier, Field(discriminator="update")]


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
    objective: Literal["mixed", "difference", "penalized_reward"] = Field(
        default="mixed",
        description="what the policy ascends: (A_r − λ A_c)/(1 + λ), (1 − λ) A_r − λ A_c, or A of r − λ c (RCPO)",
    )
    scale_invariance: Literal["off", "iteration", "minibatch"] = Field(
        default="off", description="whether, and how often, β makes the cost's gradient as long as the reward's"
    )
    scale_ema: Ema = Field(default=0.9, description="EMA weight of the old β")
    scale_clip: Annotated[float, Field(ge=1.0)] | None = Field(
        default=None, description="β is clipped to [1/this, this]; null is no clip"
    )
    scale_init: Literal["one", "first"] = Field(default="first", description="what the EMA of β starts from")
    cost_window: Literal["iteration"] | Count = Field(
        default="iteration",
        description="J_c is the mean over the episodes finished in this iteration, or over the last N (OmniSafe: 50)",
    )


class SACParameters(Parameters):
    """SAC's hyperparameters; by default the preset `paper`: OmniSafe's SACLag on the Point navigation tasks."""

    steps_per_iteration: Count = Field(default=2_000, description="env steps per seed between two result rows")
    num_envs: Count = Field(default=1, description="environments per seed, stepped together")
    buffer_size: Count = Field(default=1_000_000, description="newest env steps per seed that are kept to learn from")
    learning_starts: Count = Field(
        default=10_000, description="env steps per seed with uniformly random actions, before the first gradient step"
    )
    train_every: Count = Field(default=1, description="env steps per seed between two rounds of gradient steps")
    gradient_steps: Count = Field(default=1, description="gradient steps of the critics in a round")
    policy_delay: Count = Field(
        default=2, description="gradient steps of the critics per step of the policy and of the target networks"
    )
    batch_size: Count = Field(default=256, description="rows per gradient step and seed, drawn with replacement")
    actor_lr: Positive = Field(default=5e-6, description="Adam step size of the policy")
    critic_lr: Positive = Field(default=1e-3, description="Adam step size of the reward and cost critics")
    tau: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=0.005, description="share of the new parameters in each Polyak step of the target networks"
    )
    gamma: Fraction = Field(default=0.99, description="discount of rewards")
    cost_gamma: Fraction = Field(default=0.99, description="discount of costs")
    alpha: Positive = Field(
        default=1e-5, description="temperature α, reward units per nat of entropy; with auto_alpha its start"
    )
    auto_alpha: bool = Field(default=False, description="α moves so that the entropy reaches target_entropy")
    alpha_lr: Positive = Field(default=3e-4, description="Adam step size of log α (auto_alpha)")
    target_entropy: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="nats (auto_alpha); null is minus the number of action entries"
    )
    cost_critics: Literal[1, 2] = Field(
        default=1, description="critics of each cost; of two the larger value counts, which is pessimistic"
    )
    grad_clip: Positive = Field(default=40.0, description="largest gradient norm, for each network of a seed apart")
    hidden_sizes: tuple[Count, ...] = Field(
        default=(256, 256), min_length=1, description="units of the hidden layers (ReLU)"
    )
    scale_invariance: Literal["off", "iteration", "minibatch"] = Field(
        default="off", description="whether, and how often, β makes the cost's gradient as long as the reward's"
    )
    scale_ema: Ema = Field(default=0.9, description="EMA weight of the old β")
    scale_clip: Annotated[float, Field(ge=1.0)] | None = Field(
        default=None, description="β is clipped to [1/this, this]; null is no clip"
    )
    scale_init: Literal["one", "first"] = Field(default="first", description="what the EMA of β starts from")
    cost_window: Literal["iteration"] | Count = Field(
        default=10,
        description="J_c is the mean over the episodes finished since the last step of λ, or over the last N",
    )
    multiplier_cadence: Literal["iteration", "round"] = Field(
        default="round", description="λ may move once an iteration, or with every round of gradient steps"
    )
