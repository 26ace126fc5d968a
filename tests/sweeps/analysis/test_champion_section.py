"""What a report says of the policy to deploy."""

from pathlib import Path

import pytest

from sweeps.analysis.champion_section import champion_section
from sweeps.choice import Choice, choose, write_choice
from tests.sweeps.test_evaluation import of_trial


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    """A choice among the two seeds of trial 4 of the bandit, written to `policy/` of the folder."""
    chosen = choose(of_trial(4, [-1.0, 1.0], 1000.0), episodes=10)
    chosen.policy.save(tmp_path / "policy")
    write_choice(tmp_path / "policy", chosen)
    return chosen


def test_both_evaluations_stand_with_their_bounds_and_definitions(tmp_path: Path, choice: Choice) -> None:
    section = champion_section(tmp_path)
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


def test_a_policy_chosen_by_training_results_says_so(tmp_path: Path, choice: Choice) -> None:
    (tmp_path / "policy" / "choice.json").unlink()
    section = champion_section(tmp_path)
    assert "by its training results" in section.paragraphs[0]
    assert not section.tables


def test_a_damaged_record_is_told_and_hinders_no_report(tmp_path: Path, choice: Choice) -> None:
    (tmp_path / "policy" / "choice.json").write_text("{}", encoding="utf-8")
    assert "cannot be read" in champion_section(tmp_path).paragraphs[0]


def test_without_a_policy_there_is_nothing_to_say(tmp_path: Path) -> None:
    section = champion_section(tmp_path)
    assert not section.paragraphs
    assert not section.tables
