"""A trained policy as a folder of two files that hold numbers and text, never code: what a study keeps of its best.

    policy.safetensors    for each of S seeds the network's layers, observation statistics, log standard deviations
    policy.json           what it is: task, algorithm, configuration, seeds, results, and how actions are made

Axes: S seeds, O observation entries, A action entries. The folder is also an MLflow model, so that
`mlflow.pyfunc.load_model("models:/lagsweep-NAME@champion")` gives an object whose `predict` is `Policy.act`.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import load_file, save_file

from sweeps.errors import NotFoundError, SpecError

Floats = NDArray[np.floating[Any]]

WEIGHTS_NAME = "policy.safetensors"
DESCRIPTION_NAME = "policy.json"
FORMAT_VERSION = 1

_ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0.0)}


class PolicyDescription(BaseModel):
    """What a policy is and where it comes from.

    Attributes:
        version: Version of the format.
        study: The study's name.
        trial: The trial's number.
        arm: Its arm.
        task: The task it was trained on.
        algorithm: The algorithm.
        params: What identifies the trial's configuration.
        seeds: The S seeds, in the order of the tensors.
        seed: The one that acts unless another is asked for: the best that keeps its limits.
        cost_limits: Cost name → limit, undiscounted cost per episode.
        returns: Final return of each seed.
        costs: Cost name → final cost of each seed.
        activation: Between the layers.
        squash: How the network's output becomes an action in [−1, 1]: clipped or by tanh; unbounded entries of an
            action are neither clipped nor scaled.
        observation_clip: Normalized observations lie within ± this many standard deviations; None: not clipped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = FORMAT_VERSION
    study: str
    trial: int
    arm: str
    task: str
    algorithm: str
    params: dict[str, Any]
    seeds: tuple[int, ...]
    seed: int
    cost_limits: dict[str, float]
    returns: tuple[float, ...]
    costs: dict[str, tuple[float, ...]]
    activation: Literal["tanh", "relu"]
    squash: Literal["clip", "tanh"]
    observation_clip: float | None


class Policy:
    """The policy of one seed; acts without noise.

    Attributes:
        description: What it is.
        seed: Whose policy it is.
    """

    def __init__(self, description: PolicyDescription, tensors: dict[str, Floats], seed: int | None = None) -> None:
        self.description = description
        self.seed = description.seed if seed is None else seed
        if self.seed not in description.seeds:
            known = ", ".join(str(known) for known in description.seeds)
            raise NotFoundError(f"no policy of seed {self.seed}; known: {known}.", code="no-seed")
        row = description.seeds.index(self.seed)
        own = {name: tensor[row] for name, tensor in tensors.items() if not name.startswith("action")}
        depth = sum(name.endswith(".weight") for name in own)
        self._layers = [(own[f"layer{i}.weight"], own[f"layer{i}.bias"]) for i in range(depth)]
        self._mean, self._std = own["observation_mean"], own["observation_std"]
        self._low, self._high = tensors["action_low"], tensors["action_high"]

    @property
    def observation_size(self) -> int:
        """O, the number of entries of an observation."""
        return int(self._mean.shape[0])

    def act(self, observation: ArrayLike) -> NDArray[np.float64]:
        """Chooses actions, the most likely ones.

        Args:
            observation: `[O]` or `[N, O]`; as the environment gives them.

        Returns:
            `[A]` or `[N, A]` float64, within the environment's bounds.

        Raises:
            ValueError: If the last axis is not O.
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
        return self._to_environment(hidden @ weight + bias)

    def _to_environment(self, output: Floats) -> NDArray[np.float64]:
        bounded = np.isfinite(self._low) & np.isfinite(self._high)
        low, high = np.where(bounded, self._low, -1.0), np.where(bounded, self._high, 1.0)
        squashed = np.tanh(output) if self.description.squash == "tanh" else np.clip(output, -1.0, 1.0)
        scaled = squashed * (high - low) / 2.0 + (high + low) / 2.0
        return np.where(bounded, scaled, output)


def save_policy(folder: Path, description: PolicyDescription, tensors: dict[str, Floats]) -> None:
    """Writes the policies of a trial's seeds.

    Args:
        folder: Where to; made where it does not exist.
        description: What they are.
        tensors: `layer<i>.weight` `[S, inputs, outputs]` and `layer<i>.bias` `[S, outputs]` from the first layer to the
            last, whose outputs are the A means; `observation_mean` and `observation_std` `[S, O]`; `action_low` and
            `action_high` `[A]`, the environment's bounds; anything else `[S, …]` is kept for who reads the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / WEIGHTS_NAME)
    (folder / DESCRIPTION_NAME).write_text(description.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load_policy(folder: str | Path, seed: int | None = None) -> Policy:
    """Reads a policy; runs no code of the files.

    Args:
        folder: A folder that `save_policy` wrote.
        seed: Whose policy; None takes the best one.

    Returns:
        The policy.

    Raises:
        NotFoundError: If there is none in the folder, or none of this seed.
        SpecError: If a newer version wrote it.
    """
    path = Path(folder)
    if not (path / DESCRIPTION_NAME).exists() or not (path / WEIGHTS_NAME).exists():
        raise NotFoundError(
            f"`a policy is {DESCRIPTION_NAME} and {WEIGHTS_NAME}` must hold, but {path} has not both.", code="no-policy"
        )
    description = PolicyDescription.model_validate_json((path / DESCRIPTION_NAME).read_bytes())
    if description.version > FORMAT_VERSION:
        raise SpecError(
            f"`version <= {FORMAT_VERSION}` must hold, but the policy in {path} has version {description.version}.",
            code="newer-version",
            help="read it with the version of lagsweep that wrote it",
        )
    return Policy(description, load_file(path / WEIGHTS_NAME), seed)


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
