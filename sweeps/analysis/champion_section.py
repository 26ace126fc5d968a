"""The part of a report about the policy to deploy: what its held-out episodes gave, with and without noise."""

from pathlib import Path

from sweeps.analysis.page import Section
from sweeps.analysis.text_table import TextTable
from sweeps.choice import CHOSEN, RECORD, Choice, read_choice
from sweeps.policy import PolicyError, load_policy


def champion_section(folder: Path) -> Section:
    """Tells which policy a study's driver chose, and by what.

    Args:
        folder: The study's folder.

    Returns:
        The section; empty where no policy was chosen. A damaged record is told and not raised: the rest of the report
        stands without it.
    """
    chosen = folder / CHOSEN
    if not chosen.is_dir():
        return Section("policy", "Policy to deploy")
    try:
        if (chosen / RECORD).exists():
            return _judged(read_choice(chosen))
        description = load_policy(chosen).description
    except PolicyError as error:
        return Section("policy", "Policy to deploy", paragraphs=(f"The record of the policy cannot be read: {error}",))
    told = (
        f"Trial {description.trial}, seed {description.seed}, by its training results: the best return of the best "
        "trial's seeds within their limits. The study was too short to pay for held-out episodes."
    )
    return Section("policy", "Policy to deploy", paragraphs=(told,))


def _judged(choice: Choice) -> Section:
    rows = choice.rows()
    table = TextTable(
        name="policy",
        title="Held-out episodes of the policy to deploy",
        header=tuple(rows[0]),
        rows=tuple(
            tuple("yes" if cell is True else "no" if cell is False else str(cell) for cell in row.values())
            for row in rows
        ),
        note="Fresh episodes, of environment seeds that neither training nor the choice had; greedy: the mean action, "
        "exploring: with exploration noise. Return: mean with a 95 % t-interval over episodes. ≤ (95 %): one-sided "
        "upper confidence bound of the mean cost, c̄ + t(0.95, n − 1) · s / √n. Violations: share of episodes above a "
        "limit. Safe: every bound is within its limit.",
    )
    policy = choice.policy
    told = f"Trial {policy.description.trial}, seed {policy.seed}: {choice.summary()}."
    return Section("policy", "Policy to deploy", paragraphs=(told,), tables=(table,))
