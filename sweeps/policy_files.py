"""The two files of a policy: numbers as safetensors, words as JSON; reading them runs no code of theirs."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sweeps.errors import NotFoundError, SpecError, SweepError

Floats = NDArray[np.floating[Any]]

WEIGHTS_NAME = "policy.safetensors"
DESCRIPTION_NAME = "policy.json"
FORMAT_VERSION = 1


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
        log_std_range: What the logarithms of standard deviations that depend on the state are clipped to; None:
            they do not depend on it.
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
    log_std_range: tuple[float, float] | None = None


class PolicyError(SweepError, ValueError):
    """A policy's files are not those that were written."""


def save_policy(folder: Path, description: PolicyDescription, tensors: dict[str, Floats]) -> None:
    """Writes the policies of a trial's seeds, whole or not at all.

    Args:
        folder: Where to; made where it does not exist. Other files that are there stay.
        description: What they are.
        tensors: `layer<i>.weight` `[S, inputs, outputs]` and `layer<i>.bias` `[S, outputs]` from the first layer to the
            last, whose outputs are the A means; `observation_mean` and `observation_std` `[S, O]`; `action_low` and
            `action_high` `[A]`, the environment's bounds; of the noise `log_std` `[S, A]`, or where it depends on the
            state `log_std.weight` `[S, inputs, A]` and `log_std.bias` `[S, A]`, a second head on the last hidden layer;
            anything else `[S, …]` is kept for who reads the file.
    """
    with written_aside(folder) as aside:
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, aside / WEIGHTS_NAME)
        (aside / DESCRIPTION_NAME).write_text(description.model_dump_json(indent=1) + "\n", encoding="utf-8")


@contextmanager
def written_aside(folder: Path) -> Generator[Path]:
    """Lets files appear in a folder only once all of them are written; a failure leaves nothing of them.

    Args:
        folder: Where to; made where it does not exist.

    Yields:
        An empty folder, beside it or within it where it exists, whose files move when the block ends.
    """
    whole = folder.absolute()
    aside = (whole if whole.exists() else whole.parent) / f".{whole.name}-{os.getpid()}.partial"
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
    aside.mkdir(parents=True)
    try:
        yield aside
        if folder.exists():
            for path in aside.iterdir():
                path.replace(folder / path.name)
        else:
            aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read_policy(folder: str | Path) -> tuple[PolicyDescription, dict[str, Floats]]:
    """Reads and checks both files.

    Args:
        folder: A folder that `save_policy` wrote.

    Returns:
        What it is, and its tensors.

    Raises:
        NotFoundError: If there is none in the folder.
        PolicyError: If a file is damaged, or is something else.
        SpecError: If a newer version wrote it.
    """
    path = Path(folder)
    if not (path / DESCRIPTION_NAME).exists() or not (path / WEIGHTS_NAME).exists():
        raise NotFoundError(
            f"`a policy is {DESCRIPTION_NAME} and {WEIGHTS_NAME}` must hold, but {path} has not both.", code="no-policy"
        )
    try:
        description = PolicyDescription.model_validate_json((path / DESCRIPTION_NAME).read_bytes())
        tensors = load_file(path / WEIGHTS_NAME)
    except (ValidationError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise PolicyError(
            f"`{DESCRIPTION_NAME} and {WEIGHTS_NAME} are as written` must hold, but in {path}: {reason}.",
            code="damaged-policy",
            help="export it again from its study",
        ) from None
    if description.version > FORMAT_VERSION:
        raise SpecError(
            f"`version <= {FORMAT_VERSION}` must hold, but the policy in {path} has version {description.version}.",
            code="newer-version",
            help="read it with the version of lagsweep that wrote it",
        )
    _check(description, tensors, path)
    return description, tensors


def _check(description: PolicyDescription, tensors: dict[str, Floats], path: Path) -> None:
    """Refuses tensors that do not fit together, before they surprise an `act`."""
    depth = sum(name.startswith("layer") and name.endswith(".weight") for name in tensors)
    names = {f"layer{i}.{part}" for i in range(depth) for part in ("weight", "bias")}
    wanted = {*names, "observation_mean", "observation_std", "action_low", "action_high"}
    missing = sorted(wanted - tensors.keys()) if depth else ["layer0.weight"]
    seeds = len(description.seeds)
    wrong = sorted(n for n, t in tensors.items() if not n.startswith("action") and (t.ndim < 2 or len(t) != seeds))
    not_finite = sorted(n for n, t in tensors.items() if not n.startswith("action") and not np.isfinite(t).all())
    for told, which in (
        ("misses", missing),
        ("has another number of seeds in", wrong),
        ("is not finite in", not_finite),
    ):
        if which:
            raise PolicyError(f"the policy in {path} {told} {', '.join(which)}.", code="damaged-policy")
    unlike = _unlike(tensors, depth)
    if unlike is not None:
        raise PolicyError(f"the policy in {path} does not fit together: {unlike}.", code="damaged-policy")


def _unlike(tensors: dict[str, Floats], depth: int) -> str | None:
    """The first tensor of another shape than those before it ask for, or with values that cannot be; or None."""
    seeds = len(tensors["layer0.weight"])
    sizes = [tensors["observation_mean"].shape[-1], *(tensors[f"layer{i}.weight"].shape[-1] for i in range(depth))]
    inputs, actions = sizes[-2], sizes[-1]
    wanted: dict[str, tuple[int, ...]] = {
        "observation_mean": (seeds, sizes[0]),
        "observation_std": (seeds, sizes[0]),
        **{f"layer{i}.weight": (seeds, sizes[i], sizes[i + 1]) for i in range(depth)},
        **{f"layer{i}.bias": (seeds, sizes[i + 1]) for i in range(depth)},
        "action_low": (actions,),
        "action_high": (actions,),
    }
    noise = {"log_std": (seeds, actions), "log_std.weight": (seeds, inputs, actions), "log_std.bias": (seeds, actions)}
    for name, shape in (wanted | {name: shape for name, shape in noise.items() if name in tensors}).items():
        if tensors[name].shape != shape:
            return f"{name} must have shape {list(shape)}, but has {list(tensors[name].shape)}"
    if ("log_std.weight" in tensors) != ("log_std.bias" in tensors):
        return "log_std.weight and log_std.bias must come together"
    if not (tensors["observation_std"] > 0.0).all():
        return "observation_std must be > 0"
    if not (tensors["action_low"] <= tensors["action_high"]).all():  # nor is NaN
        return "action_low <= action_high must hold"
    return None
