"""The learner: from a rollout of S seeds to new parameters and multipliers, all seeds in one set of calls.

Axes: S seeds, K = 2 + m networks a seed, N rows of a seed's batch, m costs.
"""

from typing import Any, cast

import numpy as np
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.utils.annotations import override
from torch import Tensor

from algorithms.adam import StackedAdam
from algorithms.errors import NonFiniteError
from algorithms.functional.surrogate import gaussian_entropy
from algorithms.lagrangian_algorithm import cost_key
from algorithms.multiplier import Multipliers, PackedMultipliers
from algorithms.networks import StackedActorCritic
from algorithms.ppo_lagrangian.batch import TrainBatch, chunked_outputs, train_batch
from algorithms.ppo_lagrangian.config import PPOLagrangianConfig
from algorithms.ppo_lagrangian.gradients import AutogradGradients, FusedGradients, Minibatch, losses
from algorithms.ppo_lagrangian.objective import Objective
from algorithms.ppo_lagrangian.passes import CompiledPasses, GraphedPasses, Passes, TorchPasses
from algorithms.rollout import Rollout

_SHUFFLE_STREAM = 2  # of a seed's random numbers; 1 is its action noise
_STATE = "ppo_lagrangian"


class PPOLagrangianLearner(TorchLearner):
    """Updates multipliers first, then policies and critics with the new λ, as OmniSafe's PPOLag does.

    Seeds share calls, never numbers: each has its own parameters, Adam moments, gradient norms, shuffles, statistics
    and early stop, so that a seed comes out the same alone or among others.

    Attributes:
        seed_metrics: What the last update gave: metric key → `[S]` float64, NaN where a seed has none.
    """

    @override(TorchLearner)
    def build(self) -> None:
        super().build()
        config = self._settings
        self._networks = self._stacked_networks()
        self._parameters = config.parameters
        self._multipliers = PackedMultipliers(
            [
                Multipliers(parameters, dict(limits), len(config.seed_list), self._parameters.cost_window)
                for parameters, limits in config.members
            ]
        )
        self._objective = Objective(self._parameters, len(config.run_seeds), len(config.cost_limits))
        entropy = [np.random.SeedSequence(seed, spawn_key=(_SHUFFLE_STREAM,)) for seed in config.run_seeds]
        self._generators = [torch.Generator().manual_seed(int(e.generate_state(1, np.uint64)[0])) for e in entropy]
        self._goes_on = torch.tensor([seed not in config.stopped_seeds for seed in config.run_seeds])
        self._iteration = 0
        lrs = [self._parameters.actor_lr] + [self._parameters.critic_lr] * (self._networks.num_networks - 1)
        self._adam = StackedAdam(self._networks.matrix, lrs)
        self._passes = self._make_passes()
        self.seed_metrics: dict[str, np.ndarray] = {}

    @property
    def _settings(self) -> PPOLagrangianConfig:
        return cast(PPOLagrangianConfig, self.config)

    def _stacked_networks(self) -> StackedActorCritic:
        return cast(Any, self._module)[DEFAULT_MODULE_ID]

    def _make_passes(self) -> Passes:
        networks, parameters, adam = self._networks, self._parameters, self._adam
        mix = self._mixed_anew if self._objective.rescales_minibatches else None
        if self._settings.gradient_path == "autograd":
            return TorchPasses(networks, parameters, adam, AutogradGradients(networks, parameters), mix)
        on_cpu = networks.matrix.device.type == "cpu"
        if mix is None and on_cpu:
            return CompiledPasses(networks, parameters, adam)
        gradients = FusedGradients(networks, parameters, parameters.minibatch_size)
        # The invariance moves its β on the CPU between two steps, which a graph cannot hold.
        kind = TorchPasses if on_cpu or mix is not None else GraphedPasses
        return kind(networks, parameters, adam, gradients, mix)

    @override(TorchLearner)
    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Registers none of torch's: `StackedAdam` steps all seeds, and its state is saved with the learner's."""

    @override(TorchLearner)
    def compute_loss_for_module(self, **kwargs: Any) -> Any:
        raise NotImplementedError("`PPOLagrangianLearner.update` computes the gradients of all seeds itself")

    @override(TorchLearner)
    def update(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, training_data: Any = None, *, timesteps: Any = None, **kwargs: Any
    ) -> Any:
        """Learns from one rollout.

        Args:
            training_data: Holds the `Rollout` as its batch.
            timesteps: Not used: the learner counts its iterations.
            **kwargs: Not used.

        Returns:
            RLlib's reduced metrics.

        Raises:
            NonFiniteError: If a loss or a parameter of a seed is not finite afterwards.
        """
        self._check_is_built()
        training_data.solve_refs()
        rollout: Rollout = training_data.batch.to(self._device)
        self._weights_seq_no += 1
        self._multipliers.update(rollout.episodes)
        batch = self._prepare(rollout)
        self._decay_learning_rate()
        with torch.no_grad():
            old_log_std = self._networks.log_std().clone()
            epochs, kl = self._run_epochs(batch, old_log_std)
            self._iteration += 1
            self._report(batch, epochs, kl)
        return self.metrics.reduce()

    def _prepare(self, rollout: Rollout) -> TrainBatch:
        multiplier = self._multipliers.value.to(self._device)
        batch = train_batch(self._networks, rollout, self._parameters, multiplier)
        if not self._objective.rescales_minibatches:
            self._objective.rescale(self._networks, batch.rows, batch.signals)
        advantages = self._objective.mix(batch.signals, multiplier).contiguous()  # as compiled code wants its rows
        return batch._replace(rows=batch.rows._replace(advantages=advantages))

    def _decay_learning_rate(self) -> None:
        parameters = self._parameters
        done = min(self._iteration * parameters.steps_per_iteration / self._settings.env_steps, 1.0)
        factor = 1.0 - done if parameters.lr_decay == "linear" else 1.0
        self._adam.lrs[0] = parameters.actor_lr * factor

    def _run_epochs(self, batch: TrainBatch, old_log_std: Tensor) -> tuple[Tensor, Tensor]:
        """Passes over the batch until every seed has had `num_epochs` or left its trust region.

        Returns:
            `[S]` passes done and `[S]` KL(old ‖ new) after the last of them.
        """
        learning = self._goes_on.clone()
        epochs, kl = torch.zeros(len(learning)), torch.zeros(len(learning))
        for _ in range(self._parameters.num_epochs):
            self._passes.run(batch, self._draw_order(batch.rows.log_probs.shape[1], learning), learning)
            epochs, kl = epochs + learning, torch.where(learning, self._passes.divergence(batch, old_log_std), kl)
            learning &= kl <= self._parameters.target_kl
            if not learning.any():
                break
        return epochs, kl

    def _draw_order(self, num_rows: int, learning: Tensor) -> Tensor:
        """`[S, N]` int64; a new order of each seed's rows."""
        # A seed that has stopped draws no more: alone, it would have drawn no more either.
        return torch.stack(
            [
                torch.randperm(num_rows, generator=generator) if on else torch.arange(num_rows)
                for generator, on in zip(self._generators, learning, strict=True)
            ]
        )

    def _mixed_anew(self, part: Minibatch, signals: Tensor) -> Tensor:
        self._objective.rescale(self._networks, part, signals)
        return self._objective.mix(signals, self._multipliers.value.to(self._device))

    def _report(self, batch: TrainBatch, epochs: Tensor, kl: Tensor) -> None:
        outputs = chunked_outputs(self._networks, batch.rows.observations)
        policy, critics = losses(outputs, batch.rows, self._networks.log_std(), self._parameters.clip_param)
        metrics: dict[str, Tensor] = {
            "loss/policy": policy,
            "loss/reward_value": critics[:, 0],
            "loss/kl": kl,
            "loss/entropy": gaussian_entropy(self._networks.log_std()),
            "policy/epochs": epochs,
            "advantage/reward_std": batch.reward_std,
        }
        names = list(self._settings.cost_limits)
        per_cost = {
            "loss/cost_value": critics[:, 1:],
            "multiplier/shadow_price": self._objective.shadow_price(self._multipliers.value, batch.reward_std),
        }
        if self._parameters.scale_invariance != "off":
            per_cost["multiplier/cost_scale"] = self._objective.scale.cost_scale
        per_cost |= {f"multiplier/{name}": term for name, term in self._multipliers.terms().items()}
        for key, term in per_cost.items():
            metrics |= {cost_key(key, name, names): term[:, index] for index, name in enumerate(names)}
        self.seed_metrics = {key: term.double().cpu().numpy() for key, term in metrics.items()}
        self._check_finite(torch.stack([policy, *critics.unbind(1)]).cpu())

    def _check_finite(self, losses_: Tensor) -> None:
        rows = self._networks.matrix.view(self._networks.num_seeds, -1)
        finite = torch.isfinite(losses_).all(0) & torch.isfinite(rows).all(1).cpu()
        if not finite.all():
            seeds = [self._settings.run_seeds[int(index)] for index in (~finite).nonzero()]
            raise NonFiniteError(
                f"the losses or parameters of seeds {seeds} are not finite after iteration {self._iteration}; "
                "lower actor_lr, critic_lr or grad_clip, or check the task's rewards and costs"
            )

    @override(TorchLearner)
    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        state = super().get_state(components, not_components=not_components, **kwargs)
        if self._check_component(_STATE, components, not_components):
            state[_STATE] = {
                "adam": self._adam.get_state(),
                "multipliers": self._multipliers.get_state(),
                "objective": self._objective.get_state(),
                "generators": [generator.get_state().numpy() for generator in self._generators],
                "iteration": self._iteration,
                "identity": self._settings.identity(),
            }
        return state

    @override(TorchLearner)
    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        if _STATE in state:
            own = state[_STATE]
            self._settings.check_continues(own["identity"])
            self._adam.set_state(own["adam"])
            self._multipliers.set_state(own["multipliers"])
            self._objective.set_state(own["objective"])
            for generator, saved in zip(self._generators, own["generators"], strict=True):
                generator.set_state(torch.from_numpy(np.array(saved)))
            self._iteration = own["iteration"]
