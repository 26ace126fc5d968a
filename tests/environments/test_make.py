"""Which implementation a task gets, and with which seeds."""

from typing import Any

import numpy as np
import pytest

from environments.batch import seed_environments
from environments.make import batch_kind, make_batch
from environments.tasks import Task, UnknownTaskError


@pytest.mark.parametrize(
    ("task", "path", "kind"),
    [
        ("Circle1", "auto", "navigation"),
        ("Circle1", "fast", "navigation"),
        ("Circle1", "general", "gymnasium"),
        ("HopperVelocity", "auto", "gymnasium"),
        ("HopperVelocity", "general", "gymnasium"),
        ("Pendulum-v1", "auto", "gymnasium"),
        ("analytic/ring", "auto", "analytic"),
        ("analytic/ring", "fast", "analytic"),
        ("analytic/ring", "general", "analytic"),
    ],
)
def test_a_task_gets_its_fastest_implementation_that_the_path_allows(task: str, path: Any, kind: str) -> None:
    assert make_batch(task, num_envs=1, seeds=[0], path=path).kind == kind
    assert batch_kind(task, path) == kind


def test_environments_are_seeded_by_run_and_index_seed_major() -> None:
    batch = make_batch("analytic/bandit", num_envs=2, seeds=[5, 3], cost_names=("even", "odd"))

    assert (batch.num_envs, batch.cost_names) == (4, ("even", "odd"))
    assert batch.env_seeds.tolist() == seed_environments([5, 3], 2).tolist()


def test_processes_that_share_the_environments_of_a_seed_number_them_on() -> None:
    together = make_batch("analytic/bandit", num_envs=3, seeds=[5])
    later = make_batch("analytic/bandit", num_envs=2, seeds=[5], first_env=1)

    np.testing.assert_array_equal(together.env_seeds[1:], later.env_seeds)


def test_both_paths_of_a_task_begin_with_the_same_observations() -> None:
    fast, general = (make_batch("Goal1", num_envs=2, seeds=[0, 1], path=path) for path in ("fast", "general"))

    np.testing.assert_allclose(fast.reset(), general.reset(), atol=1e-9)


def test_a_task_may_be_given_as_such() -> None:
    task = Task("mine", "Pendulum-v1", 200)

    assert make_batch(task, num_envs=1, seeds=[0]).horizon == 200


def test_insisting_on_a_fast_path_where_there_is_none_names_what_has_one() -> None:
    with pytest.raises(ValueError, match=r"`path='fast'` needs a task with a fast path \(Circle0, .*got HopperVel"):
        make_batch("HopperVelocity", num_envs=1, seeds=[0], path="fast")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": []}, r"`len\(seeds\) >= 1`"),
        ({"seeds": [-1]}, "`seed >= 0`"),
        ({"num_envs": 0}, "`num_envs >= 1`"),
        ({"cost_names": ()}, "`cost_names` must name at least one cost"),
        ({"cost_names": ("cost", "cost")}, "`cost_names` must name at least one cost, each once"),
        ({"num_workers": -1}, r"`num_workers >= 0` must hold, but got num_workers=-1"),
        ({"path": "quick"}, "`path` must be 'auto', 'fast' or 'general', but got 'quick'"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_batch(**{"task": "analytic/ring", "num_envs": 1, "seeds": [0], **arguments})


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UnknownTaskError, match="Circle1"):
        make_batch("Circel1", num_envs=1, seeds=[0])
