"""What the policy ascends: how λ turns reward and cost advantages into one, and the reward-scale invariance β.

Axes: S seeds, N rows, m costs; a signal is the reward advantage or one of the cost advantages.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from algorithms.functional.scale_invariance import ScaleState, scale_start, scale_step
from algorithms.functional.surrogate import difference_advantages, gaussian_log_prob, penalized_advantages
from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters
from algorithms.ppo_lagrangian.gradients import Minibatch

_CHUNK_ROWS = 2048  # rows differentiated at once: bounds memory, not results


class Objective:
    """The policy's objective, with the β that the reward-scale invariance remembers.

    Attributes:
        scale: β of every seed and cost; 1 while the invariance is off.
    """

    def __init__(self, parameters: PPOParameters, num_seeds: int, num_costs: int):
        self._parameters = parameters
        self.scale: ScaleState = scale_start((num_seeds, num_costs))

    @property
    def rescales_minibatches(self) -> bool:
        """Whether β moves with every minibatch, so that advantages are mixed there."""
        return self._parameters.scale_invariance == "minibatch"

    def rescale(self, module: StackedActorCritic, rows: Minibatch, signals: Tensor) -> None:
        """Moves β towards the ratio of the gradient norms, where the invariance is on.

        Args:
            module: The networks.
            rows: Rows of each seed; their advantages do not matter.
            signals: `[S, N, 1 + m]` float32; advantages of the reward and of each cost.
        """
        parameters = self._parameters
        if parameters.scale_invariance == "off":
            return
        norms = gradient_norms(module, rows, signals).cpu()
        self.scale = scale_step(
            self.scale,
            norms[:, 0],
            norms[:, 1:],
            scale_ema=parameters.scale_ema,
            scale_clip=parameters.scale_clip,
            scale_init=parameters.scale_init,
        )

    def mix(self, signals: Tensor, multiplier: Tensor) -> Tensor:
        """Mixes advantages into the one that the policy ascends.

        Args:
            signals: `[S, N, 1 + m]` float32; advantages of the reward and of each cost.
            multiplier: `[S, m]` float32; λ.

        Returns:
            `[S, N]` float32.
        """
        reward, costs = signals[..., 0], signals[..., 1:]
        if self._parameters.objective == "penalized_reward":
            return reward  # the reward itself already carries the penalty
        if self._parameters.objective == "difference":
            return difference_advantages(reward, costs, multiplier)
        return penalized_advantages(reward, costs, multiplier, cost_scale=self.scale.cost_scale.to(multiplier))

    def shadow_price(self, multiplier: Tensor, reward_std: Tensor) -> Tensor:
        """The reward that the policy gives for a unit of cost, which is comparable across tasks.

            mixed:             λ β σ(A_r), since A_r is divided by σ(A_r)
            difference:        λ σ(A_r) / (1 − Σ λ), infinite from Σ λ = 1 on: the reward counts no more
            penalized_reward:  λ, which stands in the reward itself

        Source: our derivation.

        Args:
            multiplier: `[S, m]` float32; λ.
            reward_std: `[S]` float32; σ(A_r).

        Returns:
            `[S, m]` float32; reward per unit of cost.
        """
        if self._parameters.objective == "penalized_reward":
            return multiplier
        price = multiplier * reward_std.to(multiplier).unsqueeze(1)
        if self._parameters.objective == "difference":
            return price / (1.0 - multiplier.sum(1, keepdim=True)).clamp(min=0.0)
        return price * self.scale.cost_scale.to(multiplier)

    def get_state(self) -> tuple[Any, ...]:
        """Everything needed to continue exactly, as NumPy arrays with an entry a seed."""
        return tuple(field.numpy().copy() for field in self.scale)

    def set_state(self, state: tuple[Any, ...]) -> None:
        """Continues from what `get_state` gave."""
        self.scale = ScaleState(*(torch.from_numpy(np.array(field)) for field in state))


def gradient_norms(module: StackedActorCritic, rows: Minibatch, signals: Tensor) -> Tensor:
    """Norm of the policy's gradient for each signal alone: ‖∇_θ mean ρ A_i‖, ρ without a clip.

    Source: Stooke et al. (2020), section 7; without a clip as in the published code of Spoor et al. (2025).

    Args:
        module: The networks.
        rows: Rows of each seed.
        signals: `[S, N, n]` float32; n advantages.

    Returns:
        `[S, n]` float32.
    """
    num_rows, num_signals = signals.shape[1:]
    policy = module.policy_rows().detach().requires_grad_()
    gradients = [torch.zeros_like(policy) for _ in range(num_signals)]
    with torch.enable_grad():
        for start in range(0, num_rows, _CHUNK_ROWS):
            part, weights = rows.part(start, start + _CHUNK_ROWS), signals[:, start : start + _CHUNK_ROWS]
            log_std = module.layout.log_std(policy).unsqueeze(1)
            log_probs = gaussian_log_prob(part.actions, module.means_of(policy, part.observations), log_std)
            gains = (log_probs - part.log_probs).exp().unsqueeze(-1) * weights
            for index, total in enumerate((gains.sum(dim=1) / num_rows).sum(dim=0)):
                (gradient,) = torch.autograd.grad(total, policy, retain_graph=True)
                gradients[index] += gradient
    return torch.stack([gradient.norm(dim=1) for gradient in gradients], dim=1)
