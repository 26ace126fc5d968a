"""Ray Tune's search-space objects, converted; what has no faithful form here is refused by name.

Objects are known by the names of their classes, so that checking a study does not import Ray. Faithful means: the same
set of values, both ends included. Tune draws the ends of a quantized range half as often as its other values; here
all are equal.
"""

from typing import Any

from sweeps.errors import SpecError

_MODULE = "ray.tune.search"
_NORMAL = "a range must have ends, and a normal distribution has none: give {low: …, high: …}"


def dimension_from_tune(value: Any) -> Any:
    """A dimension of an Optuna space from an object of Ray Tune; anything else is returned as it came.

    Args:
        value: Such as `tune.loguniform(1e-4, 1.0)`.

    Returns:
        Such as `{"low": 1e-4, "high": 1.0, "log": True, "type": "float"}`.

    Raises:
        SpecError: If the object has no faithful form; says what to give instead.
    """
    if is_tune_grid(value):
        raise _refused("tune.grid_search", "use kind: grid, or tune.choice, which Optuna samples")
    if not type(value).__module__.startswith(_MODULE):
        return value
    kind = type(value).__name__
    if kind == "Categorical":
        return {"choices": tuple(value.categories)}
    if kind not in {"Float", "Integer"}:
        raise _refused("tune.sample_from", "use `when: {name: value}` for a conditional space")
    return _range(value, "float" if kind == "Float" else "int")


def axis_from_tune(value: Any) -> Any:
    """An axis of a grid from `tune.grid_search(values)`; anything else but Tune's objects is returned as it came.

    Raises:
        SpecError: If it is another object of Ray Tune: Optuna searches those.
    """
    if is_tune_grid(value):
        return tuple(value["grid_search"])
    if type(value).__module__.startswith(_MODULE):
        raise _refused(f"tune's {type(value).__name__}", "use kind: optuna, or tune.grid_search with a list of values")
    return value


def is_tune_grid(value: Any) -> bool:
    """Whether a value is what `tune.grid_search` returns."""
    return isinstance(value, dict) and value.keys() == {"grid_search"}


def _range(domain: Any, type_: str) -> dict[str, Any]:
    sampler, step = domain.get_sampler(), None
    if type(sampler).__name__ == "Quantized":
        sampler, step = sampler.sampler, sampler.q
    bases = {base.__name__ for base in type(sampler).__mro__}
    name = f"tune.{'q' if step is not None else ''}{_name(bases, type_)}"
    if "Normal" in bases:
        raise _refused(name, _NORMAL)
    # Tune excludes the upper end of an integer range, unless it is quantized by more than 1.
    excludes_high = type_ == "int" and step in (None, 1)
    described = {"low": domain.lower, "high": domain.upper - 1 if excludes_high else domain.upper, "type": type_}
    if "LogUniform" in bases:
        if step not in (None, 1):
            raise _refused(name, "drop the quantization: a logarithmic range has no steps")
        return {**described, "log": True}
    if (step in (None, 1) and type_ == "int") or step is None:
        return described
    if type_ == "int" and (domain.lower % step or domain.upper % step):
        raise _refused(name, f"both ends must be multiples of {step}, but got {domain.lower} and {domain.upper}")
    return {**described, "step": step}


def _name(bases: set[str], type_: str) -> str:
    if "Normal" in bases:
        return "randn"
    if type_ == "int":
        return "lograndint" if "LogUniform" in bases else "randint"
    return "loguniform" if "LogUniform" in bases else "uniform"


def _refused(name: str, help: str) -> SpecError:
    return SpecError(f"{name} has no faithful form in a study.", code="wrong-type", help=help)
