"""What a report says of the policy to deploy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.analysis.champion_section import champion_section
from sweeps.analysis.results import Results, read_results
from sweeps.choice import Choice, choose, read_choice, save_choice
from sweeps.policy import PolicyDescription, PolicyError
from sweeps.records import State
from tests.sweeps.analysis.studies import finished_study
from tests.sweeps.test_evaluation import of_trial

ARMS = {"ga": {"lagrangian": {"update": "ga"}}}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return read_results(finished_study(tmp_path, ARMS, lambda arm, params: (20.0, 40.0)))


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    """A choice among the two seeds of trial 4 of the bandit, written to `policy/` of the folder."""
    chosen = choose(of_trial(4, [-1.0, 1.0], 1000.0), episodes=10)
    save_choice(tmp_path / "policy", chosen)
    return chosen


def test_both_evaluations_stand_with_their_bounds_and_definitions(
    tmp_path: Path, choice: Choice, results: Results
) -> None:
    section = champion_section(tmp_path, results)
    assert section.paragraphs[0].startswith(
        f"Trial 4, seed {choice.policy.seed}: 2 of 2 policies surely keep the limit"
    )
    (table,) = section.tables
    assert [row[:2] for row in table.rows] == [("greedy", "10"), ("exploring", "10")]
    bound = table.header.index("cost ≤ (95 %)")
    for row, found in zip(table.rows, (choice.greedy, choice.exploring), strict=True):
        assert row[bound] == f"{found.cost_bound():.4g}"
        assert row[-1] == "yes"
    assert "exploration noise" in table.note


def test_without_a_record_the_section_does_not_claim_to_know_why(
    tmp_path: Path, choice: Choice, results: Results
) -> None:
    (tmp_path / "policy" / "choice.json").unlink()
    section = champion_section(tmp_path, results)
    assert "by its training results" in section.paragraphs[0]
    assert "or the record was lost" in section.paragraphs[0]
    assert not section.tables


def without_candidates(record: dict[str, Any]) -> None:
    record["candidates"] = []


def without_episodes(record: dict[str, Any]) -> None:
    record["greedy"] |= {"returns": [], "costs": {"cost": []}}


def of_another_cost(record: dict[str, Any]) -> None:
    record["cost_limits"] = {"hazards": 25.0}


def without_exploring(record: dict[str, Any]) -> None:
    del record["exploring"]


def with_fewer_costs(record: dict[str, Any]) -> None:
    record["candidates"][0]["evaluation"]["costs"]["cost"].pop()


def with_a_cost_of_an_evaluation_missing(record: dict[str, Any]) -> None:
    record["exploring"]["costs"] = {}


def of_a_list(record: dict[str, Any]) -> None:
    record["greedy"]["costs"] = [1.0]


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (without_candidates, "none of the 0 candidates"),
        (without_episodes, "0 episodes"),
        (of_another_cost, "hazards"),
        (without_exploring, "'exploring' is missing"),
        (with_fewer_costs, "another number of costs"),
        (with_a_cost_of_an_evaluation_missing, "costs []"),
        (of_a_list, "items"),
    ],
)
def test_a_damaged_record_is_told_with_its_cause_and_hinders_no_report(
    tmp_path: Path, choice: Choice, results: Results, damage: Callable[[dict[str, Any]], None], cause: str
) -> None:
    path = tmp_path / "policy" / "choice.json"
    record = json.loads(path.read_text())
    damage(record)
    path.write_text(json.dumps(record))
    (told,) = champion_section(tmp_path, results).paragraphs
    assert "cannot be read" in told
    assert cause in told
    with pytest.raises(PolicyError, match="as written"):
        read_choice(tmp_path / "policy")


@pytest.mark.parametrize("with_record", [True, False])
def test_a_policy_without_its_description_is_told(
    tmp_path: Path, choice: Choice, results: Results, with_record: bool
) -> None:
    (tmp_path / "policy" / "policy.json").unlink()
    if not with_record:
        (tmp_path / "policy" / "choice.json").unlink()
    (told,) = champion_section(tmp_path, results).paragraphs
    assert "has not both" in told


def test_a_choice_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Choice, "to_dict", lambda self: {"full disk": object()})  # JSON refuses it, half way
    with pytest.raises(TypeError):
        save_choice(tmp_path / "new", choice)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy"]


def test_a_policy_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in (tmp_path / "policy").iterdir()}

    def full(self: PolicyDescription, **_: Any) -> str:
        raise OSError("No space left on device")

    monkeypatch.setattr(PolicyDescription, "model_dump_json", full)
    for folder in (tmp_path / "policy", tmp_path / "new"):
        with pytest.raises(OSError, match="No space"):
            choice.policy.save(folder)
    assert {path.name: path.read_bytes() for path in (tmp_path / "policy").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy"]


@pytest.mark.parametrize(
    ("cost", "state", "why"),
    [
        (90.0, State.COMPLETE, "no complete trial is feasible"),  # the limit is 50
        (20.0, State.FAIL, "no trial is complete"),
        (20.0, State.COMPLETE, "None is written"),
    ],
)
def test_where_no_policy_was_chosen_the_section_says_why(tmp_path: Path, cost: float, state: State, why: str) -> None:
    study = finished_study(tmp_path, ARMS, lambda arm, params: (20.0, cost), state=lambda number: state)
    section = champion_section(tmp_path, read_results(study))
    assert why in section.paragraphs[0]
    assert not section.tables
