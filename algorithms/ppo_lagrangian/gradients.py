"""Gradients of PPO-Lagrangian's losses for S seeds at once: by autograd, and by a hand-written backward pass.

Both write d(loss)/d(matrix) of one minibatch into the gradient matrix; tests hold them equal. The hand-written one
skips autograd's bookkeeping, which at 64 rows and [64, 64] networks costs more than the arithmetic.

Axes: S seeds, K = 2 + m networks a seed, G = S · K rows, N rows of a minibatch, O and A entries of an observation and
an action. The loss of seed s (Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7, on the
penalized advantage A; critics as in OmniSafe):

    −mean min(ρ A, clip(ρ, 1 − ε, 1 + ε) A) − c_e · entropy + Σ_critics ( mean (v − target)² + c_n Σ p² )
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from algorithms.functional.surrogate import clipped_surrogate, gaussian_log_prob
from algorithms.networks import StackedActorCritic
from algorithms.parameters import PPOParameters

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Minibatch(NamedTuple):
    """N rows of each seed's batch.

    Attributes:
        observations: `[S, N, O]` float32, normalized.
        actions: `[S, N, A]` float32, as sampled from the policy.
        log_probs: `[S, N]` float32; log-density of the actions when they were taken.
        advantages: `[S, N]` float32; penalized advantages.
        targets: `[S, K − 1, N]` float32; what the reward critic and each cost critic should predict.
    """

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    targets: Tensor

    def part(self, start: int, end: int) -> "Minibatch":
        """Rows `start` to `end` − 1 of every seed, as views."""
        cut = slice(start, end)
        return Minibatch(
            self.observations[:, cut],
            self.actions[:, cut],
            self.log_probs[:, cut],
            self.advantages[:, cut],
            self.targets[:, :, cut],
        )


def losses(outputs: Tensor, batch: Minibatch, log_std: Tensor, clip_param: float) -> tuple[Tensor, Tensor]:
    """The losses of every seed without regularization.

    Args:
        outputs: `[S, K, N, A]`; what the networks give for the rows.
        batch: The rows.
        log_std: `[S, A]`; of the policies.
        clip_param: ε.

    Returns:
        `[S]` policy losses and `[S, K − 1]` mean squared errors of the critics.
    """
    log_probs = gaussian_log_prob(batch.actions, outputs[:, 0], log_std.unsqueeze(1))
    policy = -clipped_surrogate(log_probs, batch.log_probs, batch.advantages, clip=clip_param)
    return policy, (outputs[:, 1:, :, 0] - batch.targets).square().mean(2)


class AutogradGradients:
    """The reference: torch differentiates the loss."""

    def __init__(self, module: StackedActorCritic, parameters: PPOParameters):
        self._module, self._parameters = module, parameters
        self.matrix = torch.zeros_like(module.matrix)

    def compute(self, batch: Minibatch) -> None:
        """Fills `matrix`, `[G, q]`, with the gradient of the sum of every seed's loss."""
        module, parameters = self._module, self._parameters
        with torch.enable_grad():
            outputs = module.outputs(batch.observations)
            policy, critics = losses(outputs, batch, module.log_std(), parameters.clip_param)
            rows = module.matrix.view(module.num_seeds, module.num_networks, -1)
            regularization = parameters.critic_norm_coeff * rows[:, 1:].square().sum()
            entropy_bonus = parameters.entropy_coeff * module.log_std().sum()
            loss = policy.sum() + critics.sum() + regularization - entropy_bonus
            (gradient,) = torch.autograd.grad(loss, module.matrix)
        self.matrix.copy_(gradient)


class FusedGradients:
    """The hand-written backward pass, for minibatches of one size, in buffers made once."""

    def __init__(self, module: StackedActorCritic, parameters: PPOParameters, num_rows: int):
        self._module, self._parameters, self._num_rows = module, parameters, num_rows
        self.matrix = torch.zeros_like(module.matrix).detach()
        self._critic_rows = module.matrix.detach().view(module.num_seeds, module.num_networks, -1)[:, 1:]
        self._critic_gradients = self.matrix.view(module.num_seeds, module.num_networks, -1)[:, 1:]
        self._layers = module.layout.layers(module.matrix.detach())
        self._gradients = module.layout.layers(self.matrix)
        self._transposed = [layer.weight.transpose(1, 2) for layer in self._layers]
        self._log_std = module.log_std().detach()
        self._log_std_gradient = module.layout.log_std(self.matrix)[:: module.num_networks]
        shape = (module.matrix.shape[0], num_rows)
        # activations[l] enters layer l; deltas[l] is the loss's derivative by it.
        self._activations = [self.matrix.new_zeros(*shape, size) for size in module.layout.sizes]
        self._deltas = [torch.zeros_like(a) for a in self._activations]

    def _by_seed(self, stacked: Tensor) -> Tensor:
        return stacked.view(self._module.num_seeds, self._module.num_networks, *stacked.shape[1:])

    @torch.no_grad()
    def compute(self, batch: Minibatch) -> None:
        """Fills `matrix`, `[G, q]`, with the gradient of the sum of every seed's loss."""
        self._forward(batch.observations)
        self._output_deltas(batch)
        self._backward()
        self._critic_gradients.add_(self._critic_rows, alpha=2.0 * self._parameters.critic_norm_coeff)

    def _forward(self, observations: Tensor) -> None:
        self._by_seed(self._activations[0]).copy_(observations.unsqueeze(1))
        for index, (weight, bias) in enumerate(self._layers):
            output = self._activations[index + 1]
            torch.baddbmm(bias, self._activations[index], weight, out=output)
            if index < len(self._layers) - 1:
                output.tanh_()

    def _output_deltas(self, batch: Minibatch) -> None:
        outputs, deltas = self._by_seed(self._activations[-1]), self._by_seed(self._deltas[-1])
        inverse_std = torch.exp(-self._log_std).unsqueeze(1)
        deviations = (batch.actions - outputs[:, 0]).mul_(inverse_std)
        squares = deviations.square()
        constant = self._log_std.sum(-1, keepdim=True) + self._log_std.shape[-1] * _HALF_LOG_TWO_PI
        ratio = (squares.sum(-1).mul_(-0.5) - constant - batch.log_probs).exp_()
        gain = ratio * batch.advantages
        clip = self._parameters.clip_param
        # Where the clipped branch is the smaller one, the surrogate is flat: no gradient.
        active = gain <= ratio.clamp_(1.0 - clip, 1.0 + clip).mul_(batch.advantages)
        by_log_prob = gain.mul_(active).div_(-self._num_rows).unsqueeze(-1)
        torch.sum(squares.sub_(1.0).mul_(by_log_prob), dim=1, out=self._log_std_gradient)
        self._log_std_gradient.sub_(self._parameters.entropy_coeff)
        torch.mul(deviations.mul_(inverse_std), by_log_prob, out=deltas[:, 0])
        critics = deltas[:, 1:, :, 0]
        torch.sub(outputs[:, 1:, :, 0], batch.targets, out=critics)
        critics.mul_(2.0 / self._num_rows)

    def _backward(self) -> None:
        for index in range(len(self._layers) - 1, -1, -1):
            delta, inputs = self._deltas[index + 1], self._activations[index]
            torch.bmm(inputs.transpose(1, 2), delta, out=self._gradients[index].weight)
            torch.sum(delta, dim=1, keepdim=True, out=self._gradients[index].bias)
            if index:
                back = torch.bmm(delta, self._transposed[index], out=self._deltas[index])
                torch.ops.aten.tanh_backward.grad_input(back, inputs, grad_input=back)
