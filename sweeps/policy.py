"""A trained policy as a folder of two files that hold numbers and text, never code: what a study keeps of its best.

    policy.safetensors    for each of S seeds the network's layers, observation statistics, exploration noise
    policy.json           what it is: task, algorithm, configuration, seeds, results, and how actions are made

Axes: S seeds, O observation entries, A action entries. The folder is also an MLflow model, so that
`mlflow.pyfunc.load_model("models:/lagsweep-NAME@champion")` gives an object whose `predict` is `Policy.act`.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sweeps.errors import NotFoundError
from sweeps.policy_files import (
    DESCRIPTION_NAME,
    WEIGHTS_NAME,
    Floats,
    PolicyDescription,
    PolicyError,
    read_policy,
    save_policy,
)

if TYPE_CHECKING:
    from sweeps.choice import Choice
    from sweeps.evaluation import Evaluation

__all__ = [
    "DESCRIPTION_NAME",
    "WEIGHTS_NAME",
    "Policy",
    "PolicyDescription",
    "PolicyError",
    "load_policies",
    "load_policy",
    "save_policy",
]

_ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0.0)}


class Policy:
    """The policy of one seed.

    Attributes:
        description: What it is.
        seed: Whose policy it is.
        choice: What speaks for it, where it was chosen by `Study.best_policy`.
        tracking_uri: Where its study is tracked, where it comes from `Study.best_policy`.
    """

    choice: "Choice | None" = None
    tracking_uri: str | None = None

    def __init__(self, description: PolicyDescription, tensors: dict[str, Floats], seed: int | None = None) -> None:
        self.description = description
        self.seed = description.seed if seed is None else seed
        if self.seed not in description.seeds:
            known = ", ".join(str(known) for known in description.seeds)
            raise NotFoundError(f"no policy of seed {self.seed}; known: {known}.", code="no-seed")
        row = description.seeds.index(self.seed)
        self._tensors = tensors
        own = {name: tensor[row] for name, tensor in tensors.items() if not name.startswith("action")}
        depth = sum(name.startswith("layer") for name in own) // 2
        self._layers = [(own[f"layer{i}.weight"], own[f"layer{i}.bias"]) for i in range(depth)]
        self._mean, self._std = own["observation_mean"], own["observation_std"]
        self._noise = {name: tensor for name, tensor in own.items() if name.startswith("log_std")}
        self._low, self._high = tensors["action_low"], tensors["action_high"]

    @property
    def observation_size(self) -> int:
        """O, the number of entries of an observation."""
        return int(self._mean.shape[0])

    def act(self, observation: ArrayLike, noise: np.random.Generator | None = None) -> NDArray[np.float64]:
        """Chooses actions.

        Args:
            observation: `[O]` or `[N, O]`; as the environment gives them.
            noise: Draws the noise with which the policy explored; None takes the most likely actions.

        Returns:
            `[A]` or `[N, A]` float64, within the environment's bounds.

        Raises:
            ValueError: If the last axis is not O, or noise is asked for and the file says nothing of it.
        """
        hidden = np.asarray(observation, dtype=np.float64)
        if hidden.ndim == 0 or hidden.shape[-1] != self.observation_size:
            raise ValueError(f"`observation` must have shape [..., {self.observation_size}], but got {hidden.shape}.")
        hidden = (hidden - self._mean) / self._std
        if (clip := self.description.observation_clip) is not None:
            hidden = np.clip(hidden, -clip, clip)
        activation = _ACTIVATIONS[self.description.activation]
        for weight, bias in self._layers[:-1]:
            hidden = activation(hidden @ weight + bias)
        weight, bias = self._layers[-1]
        output = hidden @ weight + bias
        if noise is not None:
            output = output + noise.standard_normal(output.shape) * np.exp(self._log_std(hidden))
        return self._to_environment(output)

    def evaluate(self, episodes: int = 100, *, explore: bool = False) -> "Evaluation":
        """Runs the policy in held-out episodes of its task.

        Args:
            episodes: How many, ≥ 1.
            explore: Whether it acts with exploration noise.

        Returns:
            Return and cost of each episode.
        """
        from sweeps.evaluation import evaluate  # Numba and MuJoCo: only where something steps

        return evaluate(self, episodes, explore=explore)

    def export(self, path: str | Path) -> Path:
        """Writes this one policy, apart from those of other seeds.

        Args:
            path: A folder for `policy.safetensors` and `policy.json`, which `load_policy` reads; or a file `….pt` for
                a TorchScript module that maps observations `[N, O]` float32 to actions `[N, A]`, which runs without
                Lagsweep (`torch.jit.load`).

        Returns:
            The path.
        """
        target = Path(path)
        if target.suffix == ".pt":
            from sweeps.torchscript import save_torchscript  # torch takes seconds to import

            save_torchscript(self, target)
            return target
        row = self.description.seeds.index(self.seed)
        own = {n: t if n.startswith("action") else t[row : row + 1] for n, t in self._tensors.items()}
        alone = self.description.model_copy(
            update={
                "seeds": (self.seed,),
                "seed": self.seed,
                "returns": self.description.returns[row : row + 1],
                "costs": {name: costs[row : row + 1] for name, costs in self.description.costs.items()},
            }
        )
        save_policy(target, alone, own)
        return target

    def save(self, folder: Path) -> None:
        """Writes it beside those of its trial's other seeds, as the one that acts.

        Args:
            folder: Where to; made where it does not exist.
        """
        save_policy(folder, self.description.model_copy(update={"seed": self.seed}), self._tensors)

    def register(self, tracking_uri: str | None = None) -> str:
        """Makes it the champion of its study in MLflow: a version of `lagsweep-<study>`, at its trial's run.

        Args:
            tracking_uri: MLflow's; None takes `MLFLOW_TRACKING_URI`, or else where its study is tracked.

        Returns:
            The version; that of the same policy where it is registered already.

        Raises:
            ValueError: If nothing says where MLflow is.
            NotFoundError: If MLflow does not know the policy's trial.
            UnreachableError: If MLflow does not answer.
        """
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri
        if uri is None:
            raise ValueError(
                "`tracking_uri` or MLFLOW_TRACKING_URI must say where MLflow is: this policy has no study."
            )
        from sweeps.tracking.quiet import prepare_environment

        prepare_environment()
        from sweeps.tracking.registry import register_policy  # MLflow takes seconds to import

        return register_policy(uri, self)

    def render(self, path: str | Path, *, episodes: int = 1, steps: int | None = None, seed: int | None = None) -> Path:
        """Records the policy in its task's own environment, rendered by MuJoCo over EGL, without a screen.

        Args:
            path: The video, `….mp4`.
            episodes: Episodes, one after the other, ≥ 1.
            steps: Steps of an episode that are shown; None: all.
            seed: Of the first episode's environment; None takes a held-out one.

        Returns:
            The path.

        Raises:
            PolicyError: If the task has nothing to render, or rendering fails; says why.
        """
        from sweeps.rendering import render

        return render(self, Path(path), episodes=episodes, steps=steps, seed=seed)

    def layers(self) -> list[tuple[Floats, Floats]]:
        """Weights `[inputs, outputs]` and biases `[outputs]` from the first layer to the last."""
        return list(self._layers)

    def scales(self) -> dict[str, Floats]:
        """`mean` and `std` `[O]` of observations, `low` and `high` `[A]` of actions."""
        return {"mean": self._mean, "std": self._std, "low": self._low, "high": self._high}

    def _log_std(self, hidden: Floats) -> Floats:
        """Logarithms of standard deviations: the same everywhere, or of the state that gave the last hidden layer."""
        if "log_std" in self._noise:
            return self._noise["log_std"]
        if "log_std.weight" not in self._noise or self.description.log_std_range is None:
            raise ValueError("`log_std` must be in the policy's file to act with noise, but it is not.")
        log_std = hidden @ self._noise["log_std.weight"] + self._noise["log_std.bias"]
        return np.clip(log_std, *self.description.log_std_range)

    def _to_environment(self, output: Floats) -> NDArray[np.float64]:
        bounded = np.isfinite(self._low) & np.isfinite(self._high)
        low, high = np.where(bounded, self._low, -1.0), np.where(bounded, self._high, 1.0)
        squashed = np.tanh(output) if self.description.squash == "tanh" else np.clip(output, -1.0, 1.0)
        scaled = squashed * (high - low) / 2.0 + (high + low) / 2.0
        return np.where(bounded, scaled, output)


def load_policy(folder: str | Path, seed: int | None = None) -> Policy:
    """Reads a policy; runs no code of the files.

    Args:
        folder: A folder that `save_policy` wrote.
        seed: Whose policy; None takes the best one.

    Returns:
        The policy.

    Raises:
        NotFoundError: If there is none in the folder, or none of this seed.
        PolicyError: If a file is damaged, or is something else.
        SpecError: If a newer version wrote it.
    """
    return Policy(*read_policy(folder), seed)


def load_policies(folder: str | Path) -> list[Policy]:
    """Reads the policies of every seed; see `load_policy`.

    Args:
        folder: A folder that `save_policy` wrote.

    Returns:
        One a seed, in the order of the file.
    """
    description, tensors = read_policy(folder)
    return [Policy(description, tensors, seed) for seed in description.seeds]


class _PyfuncPolicy:
    """What MLflow serves."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> NDArray[np.float64]:
        """Actions for a table or an array of observations, one a row."""
        return self.policy.act(data.to_numpy() if hasattr(data, "to_numpy") else data)


def _load_pyfunc(path: str) -> _PyfuncPolicy:  # pyright: ignore[reportUnusedFunction] - MLflow's loader calls it
    """MLflow's way to load a model whose `loader_module` this is."""
    return _PyfuncPolicy(load_policy(path))
