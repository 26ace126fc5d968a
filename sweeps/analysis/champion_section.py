"""The part of a report about the policy to deploy: what its held-out episodes gave, with and without noise."""

from pathlib import Path

from sweeps.analysis.page import Section
from sweeps.analysis.results import Results
from sweeps.analysis.text_table import TextTable
from sweeps.choice import CHOSEN, RECORD, Choice, read_choice
from sweeps.errors import SweepError
from sweeps.policy import load_policy


def champion_section(folder: Path, results: Results) -> Section:
    """Tells which policy a study's driver chose, and by what.

    Args:
        folder: The study's folder.
        results: The study.

    Returns:
        The section, which says why where no policy was chosen. A damaged record is told and not raised: the rest of the
        report stands without it.
    """
    chosen = folder / CHOSEN
    if not chosen.is_dir():
        return _told(_why_none(results))
    try:
        if (chosen / RECORD).exists():
            return _judged(read_choice(chosen))
        description = load_policy(chosen).description
    except (SweepError, OSError) as error:
        return _told(f"The record of the policy cannot be read: {error}")
    return _told(
        f"Trial {description.trial}, seed {description.seed}, without held-out episodes: {RECORD} is not there. Either "
        "the study was too short to pay for them, so that it was chosen by its training results (the best return of "
        "the best trial's seeds within their limits), or the record was lost."
    )


def _told(paragraph: str) -> Section:
    return Section("policy", "Policy to deploy", paragraphs=(paragraph,))


def _why_none(results: Results) -> str:
    if not results.complete:
        return "None was chosen: no trial is complete."
    if not any(trial.feasible for trial in results.complete):
        return "None was chosen: no complete trial is feasible. lagsweep policy --allow-infeasible takes the nearest."
    return "None is written: the driver chooses among the best trials when the study ends, from their checkpoints."


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
