"""Sizes in docs/operations.md are those that `benchmarks.sizing` computes from measurements."""

import json
from pathlib import Path

import pytest

from benchmarks.sizing import NUM_SEEDS, RESULTS, Rate, best, gpu_hours, gpu_table, makespan, rates, table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("threads", "hours"),
    [
        (1, 1e8 * (1 / 1000 + 1 / 500) / 3600),  # 1e8 seed-env-steps: 83.3 h
        (4, 1e8 * (1 / 1000 + 0.3 / 500) / 3600),  # ten seeds on four threads are three passes of ten: 44.4 h
        (10, 1e8 * (1 / 1000 + 0.1 / 500) / 3600),  # one pass of ten: 33.3 h
    ],
)
def test_threads_share_the_seeds_of_the_update_only(threads, hours):
    assert NUM_SEEDS == 10
    assert Rate(1000.0, 500.0).hours(threads) == pytest.approx(hours)


def test_trials_wait_for_cores_the_longest_first():
    short, long = Rate(1000.0, 500.0), Rate(500.0, 250.0)  # 83.3 h and 166.7 h
    assert makespan([short, long, short], cores=2, threads=1) == pytest.approx(1e8 * 0.006 / 3600)
    assert makespan([short, long, short], cores=1, threads=1) == pytest.approx(1e8 * 0.012 / 3600)
    assert makespan([short] * 3, cores=9, threads=4) == pytest.approx(2 * short.hours(4))


def test_the_best_number_of_threads_is_found():
    rate = Rate(1000.0, 500.0)
    assert best([rate], cores=100) == (pytest.approx(rate.hours(10)), 10)
    assert best([rate] * 26, cores=26) == (pytest.approx(rate.hours(1)), 1)


def test_two_tasks_are_measured_and_slower_environments_make_the_other_rollouts_slower():
    known = rates()
    assert known["Circle1"].rollout > known["Goal1"].rollout > known["Button1"].rollout > known["Push1"].rollout
    assert known["Circle1"].update > known["Goal1"].update == known["Button1"].update == known["Push1"].update


def test_on_gpus_the_slower_of_sampling_and_updating_takes_its_time():
    rate = Rate(1000.0, 500.0)  # 2.6e9 seed-env-steps
    assert gpu_hours(rate, cores=16, gpus=1, speed=10) == pytest.approx(2.6e9 / 5_000 / 3600)  # not 16 000 a second
    assert gpu_hours(rate, cores=4, gpus=2, speed=10) == pytest.approx(2.6e9 / 4_000 / 3600)  # not 10 000


def test_the_tables_of_the_document_are_the_programs():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert table() in text, "run `python -m benchmarks.sizing` and replace the tables of docs/operations.md"
    assert gpu_table() in text


def test_what_the_text_derives_from_rates_follows_from_them():
    text = " ".join((ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split())
    known = rates()
    circle, push = known["Circle1"], known["Push1"]
    both = 1 / (1 / circle.rollout + 1 / circle.update)
    # An iteration of Table A.1: 20 000 env steps of ten seeds.
    sent = json.loads((RESULTS / "tracking.json").read_text())["measured"]["lagsweep"]
    iteration_s, per_result_s = 200_000 / both, 0.004
    for said in (
        f"takes r / {spaced(circle.rollout)} cores on Circle1 and r / {spaced(push.rollout)} on Push1: "
        f"{10 * circle.update / circle.rollout:.1f} and {10 * push.update / push.rollout:.0f} of them",
        f"takes {iteration_s:.0f} s on one core of Circle1 (200 000 seed-env-steps at {spaced(both)} a second)",
        f"report {1_000 / iteration_s:.0f} results a second and leave the driver {iteration_s:.0f} ms for each",
        f"1 000 nodes take {1_000 * per_result_s / iteration_s:.0%}".replace("%", " %"),
        f"some {spaced(round(iteration_s / per_result_s, -2))} trials at once would fill the {iteration_s:.0f} s",
        f"took {sent['results'] / sent['seconds_until_sent']:.0f} rows a second",
        f"1 000 such trials are {round(10_000 / iteration_s, -1):.0f} rows a second",
    ):
        assert said in text


def spaced(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")
