"""What a study begins with, and what `extend` makes of it: what was there, and more."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from sweeps.errors import SpecError, StudyExistsError, suggest
from sweeps.ledger import Extension, NewTrial
from sweeps.records import Trial
from sweeps.spec import StudySpec
from sweeps.spec.difference import differences, extends
from sweeps.spec.errors import error_in_value
from sweeps.spec.search import GridSearch
from sweeps.spec.single_arm import UPDATE, arms_of_updates
from sweeps.spec.space import known_points, trial_key


def grown(
    spec: StudySpec,
    *,
    trials: int | None = None,
    seeds: int | Sequence[int] | None = None,
    env_steps: int | None = None,
    arms: Mapping[str, Any] | None = None,
    arm: str | None = None,
    values: Mapping[str, Sequence[Any]] | None = None,
) -> StudySpec:
    """Adds to a specification.

    Args:
        spec: What is there.
        trials: So many more trials for Optuna to suggest.
        seeds: So many more seeds, counted on from the highest, or those.
        env_steps: So many more env steps for every seed.
        arms: Further arms by name, as in a study file.
        arm: The arm that gets `trials` and `values`; None: the only one that can take them, and values all arms of
            one grid, as a grid over `update` has them.
        values: Axis of a grid → further values; those of `update` become arms.

    Returns:
        The larger specification.

    Raises:
        SpecError: If nothing is added, an arm cannot take what it is given, or a value breaks a rule.
    """
    data = spec.model_dump(mode="json", exclude_none=True)
    if seeds is not None:
        data["seeds"] = _more_seeds(spec, seeds)
    if env_steps is not None:
        data["env_steps"] += _positive("env_steps", env_steps)
    if trials is not None:
        data["arms"][_searched_arm(spec, arm)]["search"]["trials"] += _positive("trials", trials)
    axes = dict(values or {})
    if UPDATE in axes:
        data["arms"] |= _more_updates(spec, axes.pop(UPDATE))
    for axis, added in axes.items():
        for name in _gridded_arms(spec, arm, axis):
            search = data["arms"][name]["search"]
            search[axis] = [*search[axis], *(value for value in added if value not in search[axis])]
    if there := set(arms or {}) & set(spec.arms):
        raise SpecError(f"arm {min(there)!r} is there already.", code="out-of-range", path=("arms", min(there)))
    data["arms"] |= arms or {}
    return _checked(data, spec)


def _checked(data: Mapping[str, Any], spec: StudySpec) -> StudySpec:
    try:
        larger = StudySpec.model_validate(data)
    except ValidationError as error:
        raise error_in_value(error) from None
    if larger == spec:
        message = "`extend` must add something, but got nothing that the study has not."
        raise SpecError(message, code="nothing-to-extend", help="give trials, seeds, env steps, arms or values")
    return larger


def known_trials(spec: StudySpec) -> list[NewTrial]:
    """The trials of a study that are known before anything runs: points of grids, single and enqueued ones."""
    return [
        NewTrial(trial_key(name, params), name, params)
        for name, arm in spec.arms.items()
        for params in known_points(arm)
    ]


def extension(old: StudySpec, new: StudySpec, known: Sequence[Trial]) -> Extension:
    """What a larger specification adds to the ledger.

    Args:
        old: The study's specification.
        new: The larger one.
        known: The study's trials.

    Returns:
        The change, for the ledger.

    Raises:
        StudyExistsError: If it changes what is there; says what differs.
    """
    if not extends(old, new):
        raise changed(new, old)
    keys = {trial.key for trial in known}
    return Extension(
        spec_json=new.model_dump_json(exclude_none=True),
        spec_sha256=new.sha256,
        seeds=new.seed_list,
        new_trials=[trial for trial in known_trials(new) if trial.key not in keys],
        raises_budget=new.env_steps > old.env_steps,
    )


def changed(new: StudySpec, old: StudySpec) -> StudyExistsError:
    """The error for a specification that changes a study; says what differs."""
    help = "use a new name, or the specification it was created with (studies/<name>/spec.yaml in its storage)"
    if extends(old, new):
        help = 'it only adds to the study: if_exists="extend", or `lagsweep extend`; else use a new name'
    return StudyExistsError(
        f"study {new.name!r} exists with another specification; changed: {'; '.join(differences(old, new))}.",
        code="study-changed",
        help=help,
    )


def _more_seeds(spec: StudySpec, seeds: int | Sequence[int]) -> int | list[int]:
    if isinstance(seeds, int) and isinstance(spec.seeds, int):
        return spec.seeds + _positive("seeds", seeds)
    first = max(spec.seed_list) + 1
    added = range(first, first + _positive("seeds", seeds)) if isinstance(seeds, int) else seeds
    return [*spec.seed_list, *(seed for seed in added if seed not in spec.seed_list)]


def _more_updates(spec: StudySpec, updates: Sequence[Any]) -> dict[str, Any]:
    """The arms of further updates, where all arms are points of one grid."""
    if not _is_one_grid(spec):
        raise SpecError(
            "`update` can be extended where all arms search the same grid, but here they do not.",
            code="out-of-range",
            path=(UPDATE,),
            help="add arms by name: `extend(arms={…})`, or run the study file with more of them",
        )
    new = arms_of_updates(updates, next(iter(spec.arms.values())).search)
    return {name: arm for name, arm in new.items() if name not in spec.arms}


def _is_one_grid(spec: StudySpec) -> bool:
    """Whether all arms are points of one grid, or of none."""
    first, *others = (arm.search for arm in spec.arms.values())
    return isinstance(first, GridSearch | None) and all(search == first for search in others)


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise SpecError(f"`{name} >= 1` must hold, but got {value}.", code="out-of-range", path=(name,))
    return value


def _searched_arm(spec: StudySpec, arm: str | None) -> str:
    able = [name for name, known in spec.arms.items() if hasattr(known.search, "trials")]
    return _only(able, arm, "whose trials are suggested")


def _gridded_arms(spec: StudySpec, arm: str | None, axis: str) -> list[str]:
    grids = {name: known.search for name, known in spec.arms.items() if isinstance(known.search, GridSearch)}
    able = [name for name, search in grids.items() if axis in search.axes]
    if arm is None and able and _is_one_grid(spec):
        return able
    return [_only(able, arm, f"with a grid over `{axis}`")]


def _only(able: Sequence[str], arm: str | None, what: str) -> str:
    if arm is not None and arm in able:
        return arm
    if arm is not None or not able:
        message = f"an arm {what} is needed, but {'there is none' if arm is None else f'{arm!r} is none'}."
        raise SpecError(message, code="unknown-name", help=suggest(arm or "", able) if able else None)
    if len(able) > 1:
        raise SpecError(
            f"one arm {what} must be meant, but there are {', '.join(able)}.",
            code="missing-key",
            help=f"say which: --arm {able[0]}, in Python arm={able[0]!r}",
        )
    return able[0]
