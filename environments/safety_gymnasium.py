"""Safety-Gymnasium 1.0.0 on Gymnasium 1.2, MuJoCo 4 and NumPy 2.4: the package stays as published, its ground moves.

The package was written for Gymnasium 0.28, MuJoCo 2.3 and NumPy 1.23. Each function below restores one thing that it
expects and says what broke. With MuJoCo 2.3.3 and NumPy 1.23.5 the shims were found to change no bit of a trajectory.

Nothing here affects a process that does not call `install` or `make`.
"""

import builtins
import contextlib
import copy
import functools
import importlib
import importlib.util
import logging
import math
import sys
import types
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Generator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec


@functools.cache
def install() -> None:
    """Makes `import safety_gymnasium` work and registers its environments; a second call does nothing."""
    _restore_gymnasium_modules()
    _restore_env_spec_fields()
    _make_colors_hashable()
    with _stand_in_for_gymnasium_robotics():
        importlib.import_module("safety_gymnasium")
    _index_joints_by_array()
    _read_one_element_arrays()
    _size_the_offscreen_viewer()
    _hold_gremlins_as_published()
    _parse_yaml_once()
    _log_warnings_of_mujoco()


def make(env_id: str, *, render_mode: str | None = None) -> gymnasium.Env:
    """Makes an environment of Safety-Gymnasium.

    Unless it renders or observes pixels, its model is compiled without textures, which alone take about 0.4 s a
    reset. No step depends on them: trajectories are bit for bit the same (tested).

    Args:
        env_id: An id that Safety-Gymnasium registers, such as `SafetyPointGoal1-v0`.
        render_mode: `rgb_array`, `depth_array` or `human`; None does not render.

    Returns:
        The environment, whose `step` gives (observation, reward, cost, terminated, truncated, info), or for its
        `…Gymnasium-v0` ids Gymnasium's five values with the cost in `info["cost"]`.
    """
    install()
    import safety_gymnasium
    from safety_gymnasium.utils.registration import safe_registry

    maker = safety_gymnasium.make if env_id in safe_registry else gymnasium.make
    with warnings.catch_warnings():
        # The package gives Gymnasium's float64 `Box` float32 bounds, whose range it compares with float64's.
        warnings.filterwarnings("ignore", message="overflow encountered in cast", category=RuntimeWarning)
        env = maker(env_id, render_mode=render_mode, disable_env_checker=True)
    task = getattr(env.unwrapped, "task", None)
    if task is not None and render_mode is None and not task.observe_vision:
        task.world = _textureless_world(task)
    return env


def strip_textures(xml: str) -> str:
    """Removes every texture of a MuJoCo model, and the materials' references to them.

    Args:
        xml: The model, MJCF.

    Returns:
        The model without textures; geometry, masses, contacts and sensors are untouched.
    """
    root = ET.fromstring(xml)
    for asset in root.iter("asset"):
        for texture in asset.findall("texture"):
            asset.remove(texture)
        for material in asset.findall("material"):
            material.attrib.pop("texture", None)
    return ET.tostring(root, encoding="unicode")


def _textureless_world(task: Any) -> Any:
    """The world of a task that has not been reset yet, compiled without textures.

    A task that already has a world rebuilds it at the first reset too, rather than building a new one twice.
    """
    from safety_gymnasium.world import World

    class TexturelessWorld(World):
        """Strips the model on its way to the compiler, which reads `xml_string`."""

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, strip_textures(value) if name == "xml_string" and value else value)

    return TexturelessWorld(task.agent, task._obstacles)


def _restore_gymnasium_modules() -> None:
    """Five modules of `gymnasium.wrappers` were renamed or dropped in Gymnasium 1.0; the package imports from them."""
    wrappers = gymnasium.wrappers
    _add_module("gymnasium.wrappers.compatibility", EnvCompatibility=_NoEnvCompatibility)
    _add_module("gymnasium.wrappers.autoreset", AutoResetWrapper=wrappers.Autoreset)
    _add_module("gymnasium.wrappers.env_checker", PassiveEnvChecker=wrappers.PassiveEnvChecker)
    _add_module("gymnasium.wrappers.time_limit", TimeLimit=wrappers.TimeLimit)
    _add_module(
        "gymnasium.wrappers.normalize",
        NormalizeObservation=wrappers.NormalizeObservation,
        NormalizeReward=wrappers.NormalizeReward,
        RunningMeanStd=importlib.import_module("gymnasium.wrappers.utils").RunningMeanStd,
    )


class _NoEnvCompatibility(gymnasium.Wrapper):
    """Gymnasium 0.28's bridge to environments of 2021; no environment of the package asks for it."""

    def __init__(self, env: gymnasium.Env, render_mode: str | None = None) -> None:
        raise NotImplementedError("Gymnasium 1 has no EnvCompatibility; use an environment of the present API.")


def _restore_env_spec_fields() -> None:
    """`EnvSpec` lost `autoreset` and `apply_api_compatibility`, which the package's `make` reads and passes."""
    spec: Any = EnvSpec
    original = spec.__init__

    @functools.wraps(original)
    def init(
        self: Any, *args: Any, autoreset: bool = False, apply_api_compatibility: bool = False, **kwargs: Any
    ) -> None:
        original(self, *args, **kwargs)

    spec.autoreset = False
    spec.apply_api_compatibility = False
    spec.__init__ = init


class _HashableArray(np.ndarray):
    """An array that a dataclass takes as a default."""

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return id(self)


def _make_colors_hashable() -> None:
    """Dataclasses refuse unhashable defaults since Python 3.11; the package's are arrays of `assets/color.py`."""
    name = "safety_gymnasium.assets.color"
    package = importlib.util.find_spec("safety_gymnasium")
    assert package is not None
    assert package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "assets" / "color.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.COLOR.update({key: value.view(_HashableArray) for key, value in module.COLOR.items()})
    sys.modules[name] = module


@contextlib.contextmanager
def _stand_in_for_gymnasium_robotics() -> Generator[None]:
    """The multi-agent tasks, offered nowhere here, import Gymnasium-Robotics, which is not installable on this stack.

    The stand-ins go away again, so that nothing else takes them for the package.
    """
    if importlib.util.find_spec("gymnasium_robotics") is not None:
        yield
        return
    package = ["gymnasium_robotics", "envs", "multiagent_mujoco", "mujoco_multi"]
    names = [".".join(package[: depth + 1]) for depth in range(len(package))]
    for name in names:
        _add_module(name, MultiAgentMujocoEnv=_NoMultiAgentMujocoEnv)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


class _NoMultiAgentMujocoEnv:
    """Stands where Gymnasium-Robotics would be."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("the multi-agent tasks need gymnasium-robotics, which is not installed.")


def _index_joints_by_array() -> None:
    """`MjModel.jnt` takes no array as an index any more; the agents Car, Doggo and Ant pass one of one element."""
    mujoco: Any = importlib.import_module("mujoco")
    original = mujoco.MjModel.jnt

    def jnt(self: Any, index: Any = "") -> Any:
        return original(self, index if isinstance(index, str) else int(np.asarray(index).item()))

    mujoco.MjModel.jnt = jnt


def _read_one_element_arrays() -> None:
    """NumPy 2.4 converts no one-element array to a float; the angle sensors of Doggo and Ant are such arrays."""
    module: Any = importlib.import_module("safety_gymnasium.bases.base_agent")
    module.float = lambda value: builtins.float(np.asarray(value).item())


def _size_the_offscreen_viewer() -> None:
    """Gymnasium 1's `OffScreenViewer` wants a width and a height; the package has put them into the model."""
    module: Any = importlib.import_module("safety_gymnasium.bases.underlying")
    viewer = module.OffScreenViewer
    module.OffScreenViewer = lambda model, data: viewer(
        model, data, int(model.vis.global_.offwidth), int(model.vis.global_.offheight)
    )


def _hold_gremlins_as_published() -> None:
    """MuJoCo 3.0 mended how soft a weld's rotation is, which left gremlins 150 times softer in it than published.

    MuJoCo 2 softened all six rows of a weld by the body's translational inverse weight, MuJoCo 3 the rotational three
    by its rotational one. Multiplying their error by √(rotational / translational) undoes that: it divides the softness
    that results by the square. Without it an agent that pushes a gremlin turns it aside instead of being held up.
    Source: changes of MuJoCo 3.0.0, "mj_diagApprox"; the factor is our derivation, and tested on recorded steps.
    """
    world: Any = importlib.import_module("safety_gymnasium.world").World
    original = world.__setattr__

    def set_attribute(self: Any, name: str, value: Any) -> None:
        original(self, name, stiffen_welds(value) if name == "xml_string" and value else value)

    world.__setattr__ = set_attribute


def stiffen_welds(xml: str) -> str:
    """Gives each weld that holds a cube the rotational stiffness that it had in MuJoCo 2.

    A cube of mass m and half side h has the inverse inertia 3 / (2 m h²), 3 / (2 h²) times its inverse mass.

    Args:
        xml: The model, MJCF.

    Returns:
        The model, unchanged where it has no welds.
    """
    root = ET.fromstring(xml)
    welds = list(root.iter("weld"))
    for weld in welds:
        cube = root.find(f".//body[@name='{weld.get('body2')}']/geom[@type='box']")
        assert cube is not None
        sides = {float(side) for side in cube.get("size", "").split()}
        assert len(sides) == 1
        weld.set("torquescale", str(math.sqrt(1.5) / sides.pop()))
    return ET.tostring(root, encoding="unicode") if welds else xml


def _parse_yaml_once() -> None:
    """Every reset parses the same YAML files, which takes longer than compiling a model without textures."""
    import yaml

    @functools.cache
    def parse(path: str) -> Any:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))

    def load(file: Any, **_: Any) -> Any:
        return copy.deepcopy(parse(file.name))  # the caller puts parts of it into a model of its own

    for name in ("safety_gymnasium.world", "safety_gymnasium.bases.base_task"):
        module: Any = importlib.import_module(name)
        module.yaml = types.SimpleNamespace(load=load, FullLoader=None)


def _log_warnings_of_mujoco() -> None:
    """MuJoCo appends its warnings to MUJOCO_LOG.TXT in the working directory; here they go to Python's logging."""
    mujoco: Any = importlib.import_module("mujoco")

    def log(message: bytes | str) -> None:
        text = message.decode() if isinstance(message, bytes) else message
        # HalfCheetah's model asks at each compilation for what MuJoCo will drop; nobody here can mend that.
        level = logging.DEBUG if "is deprecated" in text else logging.WARNING
        logging.getLogger(__name__).log(level, "MuJoCo: %s", text)

    mujoco.set_mju_user_warning(log)


def _add_module(name: str, **attributes: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(attributes)
    sys.modules[name] = module
