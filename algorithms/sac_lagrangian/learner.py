"""The learner: replay buffers of S seeds, and gradient steps on batches from them, all seeds in one set of calls.

Axes: S seeds, K critics a seed, N rows of a batch, m costs.
"""

import math
from typing import Any, cast

import numpy as np
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.annotations import override
from torch import Tensor

from algorithms.denormals import flushed_denormals
from algorithms.errors import NonFiniteError
from algorithms.functional.scale_invariance import ScaleState, scale_start, scale_step
from algorithms.functional.soft_actor_critic import temperature_loss
from algorithms.lagrangian_algorithm import cost_key
from algorithms.sac_lagrangian.config import SACLagrangianConfig
from algorithms.sac_lagrangian.losses import (
    PolicyTerms,
    critic_losses,
    critic_targets,
    policy_losses,
    policy_terms,
    signal_norms,
)
from algorithms.sac_lagrangian.networks import StackedSoftActorCritic
from algorithms.sac_lagrangian.penalty import ScalarPenalty
from algorithms.sac_lagrangian.replay import Batch, ReplayBuffer, Transitions
from algorithms.sac_lagrangian.statewise_penalty import StatewisePenalty

_LEARNER_STREAM = 3  # of a seed's random numbers; 1 is its action noise
_STATE = "sac_lagrangian"


class SACLagrangianLearner(TorchLearner):
    """Updates critics with every gradient step; policy, temperature and target critics with every `policy_delay`-th.

    Seeds share calls, never numbers: each has its own buffer, parameters, Adam moments, gradient norms, draws and
    multipliers, so that a seed comes out the same alone or among others.

    Attributes:
        buffer: The transitions to learn from.
        seed_metrics: What the last iteration gave: metric key → `[S]` float64, NaN where a seed has none.
    """

    @override(TorchLearner)
    def build(self) -> None:
        super().build()
        config = self._settings
        self._parameters, num_seeds, num_costs = config.parameters, len(config.seed_list), len(config.cost_limits)
        self._networks = self._soft_actor_critic()
        observations, actions = self._networks.observation_space.shape[0], self._networks.action_space.shape[0]
        capacity = math.ceil(self._parameters.buffer_size / self._parameters.num_envs)
        self.buffer = ReplayBuffer(capacity, num_seeds, self._parameters.num_envs, observations, actions, num_costs)
        self._action_size = actions
        given = self._parameters.target_entropy
        self._target_entropy = -float(actions) if given is None else given
        self._penalty = self._make_penalty(observations)
        self._scale = scale_start((num_seeds, num_costs))
        entropy = [np.random.SeedSequence(seed, spawn_key=(_LEARNER_STREAM,)) for seed in config.seed_list]
        self._generators = [torch.Generator().manual_seed(int(e.generate_state(1, np.uint64)[0])) for e in entropy]
        self._gradient_steps = 0
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._rescales_now = True
        self.seed_metrics: dict[str, np.ndarray] = {}

    @property
    def _settings(self) -> SACLagrangianConfig:
        return cast(SACLagrangianConfig, self.config)

    def _make_penalty(self, observation_size: int) -> ScalarPenalty | StatewisePenalty:
        if self._settings.multiplier_parameters.update == "network":
            return StatewisePenalty(self._settings, observation_size, self._device)
        return ScalarPenalty(self._settings)

    @property
    def penalty(self) -> ScalarPenalty | StatewisePenalty:
        """How costs weigh on the policy."""
        return self._penalty

    @property
    def networks(self) -> StackedSoftActorCritic:
        """The networks that are trained."""
        return self._networks

    def _soft_actor_critic(self) -> StackedSoftActorCritic:
        return cast(Any, self._module)[DEFAULT_MODULE_ID]

    @override(TorchLearner)
    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        networks, parameters = self._soft_actor_critic(), self._settings.parameters
        trained = {
            "critics": (networks.critics, parameters.critic_lr),
            "policies": (networks.policies, parameters.actor_lr),
            "temperatures": (networks.log_alpha, parameters.alpha_lr),
        }
        for name, (matrix, lr) in trained.items():
            optimizer = torch.optim.Adam([matrix], lr=lr, fused=True)
            self.register_optimizer(module_id=module_id, optimizer_name=name, optimizer=optimizer, params=[matrix])

    @override(TorchLearner)
    def compute_loss_for_module(self, **kwargs: Any) -> Any:
        raise NotImplementedError("`SACLagrangianLearner.update` computes the gradients of all seeds itself")

    @override(TorchLearner)
    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, training_data: Any = None, *, timesteps: Any = None, **kwargs: Any
    ) -> Any:
        """Learns from one round: takes its transitions, then makes the gradient steps that are due.

        Args:
            training_data: Holds the `Transitions` as its batch.
            timesteps: Not used: the buffer counts its steps.
            **kwargs: Not used.

        Returns:
            No metrics: `end_iteration` reports.
        """
        self._check_is_built()
        transitions: Transitions = training_data.batch
        self.buffer.add(transitions)
        learns = self.buffer.num_steps * self._parameters.num_envs > self._parameters.learning_starts
        with flushed_denormals():  # Adam's moments of a unit that has died shrink to them
            for _ in range(self._parameters.gradient_steps if learns else 0):
                self._gradient_step()
        self._weights_seq_no += 1
        self._penalty.end_round(transitions.episodes, has_learned=learns)
        return {}

    def _gradient_step(self) -> None:
        parameters, networks = self._parameters, self._networks
        batch = self.buffer.sample(parameters.batch_size, self._generators).to(self._device)
        targets = critic_targets(networks, batch, self._noise(), parameters.gamma, self._penalty.cost_targets)
        losses, values = critic_losses(networks, batch, targets)
        self._descend("critics", networks.critics, losses.sum())
        self._gradient_steps += 1
        means = values.detach().mean(-1)
        self._log("loss/reward_value", losses.detach()[:, :2].mean(1))
        self._log("value/reward", means[:, :2].mean(1))
        self._log_by_cost("loss/cost_value", losses.detach()[:, 2:])
        self._log_by_cost("value/cost", means[:, 2:])
        if self._gradient_steps % parameters.policy_delay == 0:
            self._policy_step(batch)
            with torch.no_grad():
                networks.targets.lerp_(networks.critics, parameters.tau)

    def _policy_step(self, batch: Batch) -> None:
        parameters, networks = self._parameters, self._networks
        terms = policy_terms(networks, batch.observations, self._noise())
        detached = PolicyTerms(*(term.detach() for term in terms))
        alpha = networks.log_alpha.detach().exp()
        self._rescale(terms, alpha)
        multiplier = self._penalty.multiplier(batch, detached)
        losses = policy_losses(terms, alpha, multiplier, self._scale.cost_scale.to(alpha))
        self._descend("policies", networks.policies, losses.sum())
        if parameters.auto_alpha:
            loss = temperature_loss(networks.log_alpha, detached.log_probs, self._target_entropy)
            self._descend("temperatures", networks.log_alpha, loss.sum(), clip=False)
        self._log("loss/policy", losses.detach())
        self._log("loss/entropy", -detached.log_probs.mean(-1))
        self._log("policy/alpha", alpha)

    def _noise(self) -> Tensor:
        shape = (self._parameters.batch_size, self._action_size)
        return torch.stack([torch.randn(shape, generator=generator) for generator in self._generators]).to(self._device)

    def _descend(self, name: str, matrix: torch.nn.Parameter, loss: Tensor, *, clip: bool = True) -> None:
        (gradient,) = torch.autograd.grad(loss, matrix)
        if clip:  # each network, which is a row, apart
            norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient.mul_((self._parameters.grad_clip / (norms + 1e-6)).clamp_(max=1.0))
        matrix.grad = gradient
        self.get_optimizer(DEFAULT_MODULE_ID, name).step()

    def _rescale(self, terms: PolicyTerms, alpha: Tensor) -> None:
        """Moves β towards the ratio of the gradient norms, where the invariance is on and due."""
        parameters = self._parameters
        if parameters.scale_invariance == "off" or not self._rescales_now:
            return
        norms = signal_norms(self._networks, terms, alpha).cpu()
        self._scale = scale_step(
            self._scale,
            norms[:, 0],
            norms[:, 1:],
            scale_ema=parameters.scale_ema,
            scale_clip=parameters.scale_clip,
            scale_init=parameters.scale_init,
        )
        self._rescales_now = parameters.scale_invariance == "minibatch"

    def _log_by_cost(self, key: str, values: Tensor) -> None:
        """Logs `[S, K − 2]` of the cost critics, the mean over those of each cost."""
        names = list(self._settings.cost_limits)
        for name, of_cost in zip(names, values.unflatten(1, (len(names), -1)).mean(2).unbind(1), strict=True):
            self._log(cost_key(key, name, names), of_cost)

    def _log(self, key: str, value: Tensor) -> None:
        total, number = self._sums.get(key, (torch.zeros_like(value), 0))
        self._sums[key] = (total + value, number + 1)

    def end_iteration(self) -> None:
        """Moves the multipliers if it is their time, and writes `seed_metrics`: means over the gradient steps.

        Raises:
            NonFiniteError: If a loss or a parameter of a seed is not finite.
        """
        self._penalty.end_iteration(has_learned=self._gradient_steps > 0)
        metrics = {key: total / number for key, (total, number) in self._sums.items()}
        names = list(self._settings.cost_limits)
        per_cost = self._penalty.metrics()
        if (paid := per_cost.get("multiplier/effective", per_cost.get("multiplier/value"))) is not None:
            per_cost["multiplier/shadow_price"] = paid.cpu() * self._scale.cost_scale
        if self._parameters.scale_invariance != "off":
            per_cost["multiplier/cost_scale"] = self._scale.cost_scale
        for key, term in per_cost.items():
            metrics |= {cost_key(key, name, names): term[:, index] for index, name in enumerate(names)}
        self.seed_metrics = {key: term.double().cpu().numpy() for key, term in metrics.items()}
        self._check_finite([total for key, (total, _) in self._sums.items() if key.startswith("loss/")])
        self._sums, self._rescales_now = {}, True

    def _check_finite(self, losses: list[Tensor]) -> None:
        num_seeds = self._networks.num_seeds
        matrices = [self._networks.policies, self._networks.critics, self._networks.log_alpha]
        parts = [*losses, *(matrix.detach().view(num_seeds, -1) for matrix in matrices)]
        finite = torch.stack([torch.isfinite(part.view(num_seeds, -1)).all(1).cpu() for part in parts]).all(0)
        if not finite.all():
            seeds = [self._settings.seed_list[int(index)] for index in (~finite).nonzero()]
            raise NonFiniteError(
                f"the losses or parameters of seeds {seeds} are not finite after gradient step {self._gradient_steps}; "
                "lower actor_lr, critic_lr or grad_clip, or check the task's rewards and costs"
            )

    @override(TorchLearner)
    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """RLlib's state and ours, but for the replay buffers, which `SACLagrangian.save_to_path` writes apart."""
        state = super().get_state(components, not_components=not_components, **kwargs)
        if self._check_component(_STATE, components, not_components):
            state[_STATE] = {
                "penalty": self._penalty.get_state(),
                "scale": [field.numpy().copy() for field in self._scale],
                "generators": [generator.get_state().numpy() for generator in self._generators],
                "gradient_steps": self._gradient_steps,
                "identity": self._settings.identity(),
            }
        return state

    @override(TorchLearner)
    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        if _STATE in state:
            own = state[_STATE]
            self._settings.check_continues(own["identity"])
            self._penalty.set_state(own["penalty"])
            self._scale = ScaleState(*(torch.from_numpy(np.array(field)) for field in own["scale"]))
            for generator, saved in zip(self._generators, own["generators"], strict=True):
                generator.set_state(torch.from_numpy(np.array(saved)))
            self._gradient_steps = own["gradient_steps"]
