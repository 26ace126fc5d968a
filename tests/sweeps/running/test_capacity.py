import pytest

from sweeps.errors import SweepError
from sweeps.running import capacity
from sweeps.running.capacity import MOST_CONCURRENT, Capacity

NODES = [({"CPU": 4.0, "GPU": 1.0}, 1), ({"CPU": 3.0}, 2)]


@pytest.fixture(autouse=True)
def nodes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, float], int]]:
    there = list(NODES)
    monkeypatch.setattr(capacity, "_nodes", lambda: there)
    return there


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"),
    [
        (1.0, 0.0, 10),  # 4 + 2 × 3
        (2.0, 0.0, 4),  # 2 + 2 × 1: what is left on one node and on another makes no whole
        (0.1, 0.0, 100),  # 40 + 2 × 30; 4 / 0.1 is a little less than 40 in floating point
        (1.0, 0.25, 4),  # a quarter of the one GPU each, and 4 cores beside it
        (2.0, 0.25, 2),  # the cores of that node are the fewer
    ],
)
def test_as_many_fit_as_the_nodes_hold_each_for_itself(cpus: float, gpus: float, expected: int) -> None:
    assert Capacity(cpus, gpus).num_concurrent() == expected
    assert Capacity(cpus, gpus, max_concurrent=3).num_concurrent() == min(expected, 3)


def test_a_trial_that_fits_on_no_node_is_refused_with_what_the_nodes_have() -> None:
    Capacity(4.0, 1.0).check()
    with pytest.raises(SweepError, match=r"takes CPU 5 and the nodes have CPU 3; CPU 4"):
        Capacity(5.0, 0.0).check()
    with pytest.raises(SweepError, match=r"takes CPU 1, GPU 2 and the nodes have CPU 3, GPU 0; CPU 4, GPU 1"):
        Capacity(1.0, 2.0).check()


def test_room_follows_the_nodes_and_one_execution_waits_where_there_is_none(
    nodes: list[tuple[dict[str, float], int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    room = Capacity(1.0, 0.0)
    assert room.num_concurrent() == 10
    nodes.clear()
    assert room.num_concurrent() == 10  # Ray is asked every few seconds
    now[0] += 6.0
    assert room.num_concurrent() == 1
    nodes.append(({"CPU": 2.0}, 10**6))
    now[0] += 6.0
    assert room.num_concurrent() == MOST_CONCURRENT
