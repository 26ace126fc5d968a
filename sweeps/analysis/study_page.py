"""A study's report as a page: what was found, what is missing, how every number is defined, where it comes from."""

from collections.abc import Iterator, Mapping, Sequence

from sweeps.analysis.aggregate_tables import conditions_table, robust_table
from sweeps.analysis.arms import contrasts, contrasts_table
from sweeps.analysis.calibration_report import calibration_table
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.objectives import feasible_rule
from sweeps.analysis.page import Page, Section
from sweeps.analysis.profile import described, seed_values
from sweeps.analysis.results import Results
from sweeps.analysis.study_figures import setting_of
from sweeps.analysis.study_tables import (
    grid_table,
    limits_table,
    safety_table,
    settings_table,
    stability_table,
    trials_table,
)
from sweeps.analysis.table_one import table_one
from sweeps.analysis.tables import format_interval
from sweeps.analysis.text_table import TextTable
from sweeps.records import State, Trial
from sweeps.spec import StudySpec
from sweeps.trial_table import best_of

DEFINITIONS = (
    (
        "Return, cost",
        "undiscounted, per episode; per seed the mean over the training episodes that finish in the last 5 % of "
        "iterations (with exploration noise), then the mean over seeds with a 95 % t-interval in brackets.",
    ),
    (
        "Feasible",
        "every cost, aggregated over seeds and bounded as its study says (aggregate, cost_bound; by default the mean), "
        "is at most its limit.",
    ),
    (
        "λ",
        "the multiplier, per unit of cost: in σ of the reward advantage with PPO, in reward with SAC; after an arrow "
        "the last one of an update that moves it, as a mean over seeds.",
    ),
    (
        "λ*",
        "where the cost of the fixed multipliers meets its limit: monotone least-squares fit, interpolated linearly in "
        "λ up to the smallest positive multiplier and in log λ beyond; 95 % fiducial interval: quantiles of 2000 draws "
        "of the mean costs by Student's t, with variances over seeds pooled so that they do not rise with λ.",
    ),
    ("Hull", "upper concave hull of (cost, return) of the fixed multipliers; distances to it are vertical."),
    ("Curves", "each iteration's episodes, mean over seeds; smoothed only where a figure says by how much."),
)

_SECTIONS = (
    ("profile", "Fixed multipliers", ("lambda-profile", "pareto")),
    ("training", "Training", ("training",)),
    ("stability", "Holding the limit", ("stability",)),
    ("calibration", "Multiplier networks", ("ablation", "calibration")),
    ("limits", "Cost limits", ("return-cost", "limits-")),
    ("gains", "Gains", ("gains-",)),
)


def definitions(spec: StudySpec) -> tuple[tuple[str, str], ...]:
    """How the numbers of one study are defined: `DEFINITIONS`, feasibility as this study decides it.

    Args:
        spec: The study.

    Returns:
        Term → meaning.
    """
    return tuple(
        (term, feasible_rule(spec.aggregate, spec.cost_bound) if term == "Feasible" else meaning)
        for term, meaning in DEFINITIONS
    )


def study_page(
    results: Results,
    exhibits: Sequence[Exhibit],
    findings: Sequence[str],
    provenance: Mapping[str, str],
    champion: Section,
) -> Page:
    """Puts a study's report together.

    Args:
        results: The study, finished or not.
        exhibits: Its figures.
        findings: Why multipliers did not hold their limits.
        provenance: Facts about its last start: commit and versions.
        champion: About the policy to deploy.

    Returns:
        The page.
    """
    limits = ", ".join(f"{name} ≤ {limit:g}" for name, limit in results.spec.cost_limits.items())
    best = best_line(results)
    return Page(
        title=results.spec.name,
        subtitle=f"{setting_of(results)} · {results.spec.algorithm} · {limits} per episode",
        verdict=(f"{best[0].upper()}{best[1:]}.", *_star_lines(results)),
        missing=missing_lines(results),
        sections=tuple(_sections(results, exhibits, findings, provenance, champion)),
    )


def _sections(
    results: Results,
    exhibits: Sequence[Exhibit],
    findings: Sequence[str],
    provenance: Mapping[str, str],
    champion: Section,
) -> Iterator[Section]:
    table = trials_table(results)
    if table.rows:
        robust = (robust_table(results), conditions_table(results))
        yield Section("trials", "Trials", tables=(table, *(each for each in robust if each is not None)))
    else:
        yield Section("trials", "Trials", paragraphs=("No trial is complete.",))
    yield champion
    one = table_one([(results.label(trial), results, trial) for trial in results.leaders])
    of_section = {
        "profile": (),
        "stability": (one, stability_table(results), safety_table(results)),
        "calibration": (calibration_table(results),),
        "limits": tuple(limits_table(results, cost) for cost in results.spec.cost_limits),
    }
    for id, title, prefixes in _SECTIONS:
        shown = tuple(exhibit for exhibit in exhibits if exhibit.name.startswith(prefixes))
        tables = tuple(table for table in of_section.get(id, ()) if table is not None)
        yield Section(id, title, exhibits=shown, tables=tables)
    yield Section("arms", "Arms compared", tables=_arms(results))
    yield Section("findings", "Multipliers", points=findings)
    settings = tuple(table for table in (settings_table(results), grid_table(results)) if table is not None)
    yield Section("settings", "Settings", tables=settings)
    yield Section("definitions", "Definitions", terms=definitions(results.spec))
    yield Section("origin", "Origin", terms=origin(results, provenance))


def _arms(results: Results) -> tuple[TextTable, ...]:
    """The best trial of each arm, pairwise; arms of fixed multipliers take part with their best feasible one."""
    contestants = {trial.arm: trial for trial in results.leaders}
    fixed = [trial for trial in results.complete if trial.number in results.fixed]
    best = best_of(results.eligible(fixed))
    if best is not None:
        contestants[results.label(best)] = best
    contestants = {name: trial for name, trial in contestants.items() if seed_values(trial)}
    if len(contestants) < 2:
        return ()
    return (contrasts_table(contrasts(contestants, list(results.spec.cost_limits))),)


def _star_lines(results: Results) -> Iterator[str]:
    for series in results.profile.series:
        if series.lambda_star is not None:
            star = series.lambda_star
            interval = f" [{star.low:.3g}, {star.high:.3g}]" if star.num_seeds > 1 else ""
            yield f"λ* of {series.label}: {star.value:.3g}{interval}"


def best_line(results: Results) -> str:
    """One line: the best feasible trial, or that there is none and which is nearest.

    Args:
        results: The study.
    """
    best = results.best
    if best is not None:
        return f"best feasible trial: {named(best)}, {_numbers(results, best)}"
    if not results.complete:
        return "no feasible trial: none is complete"
    nearest = min(results.complete, key=results.excess)
    return f"no feasible trial; nearest to its limit: {named(nearest)}, {_numbers(results, nearest)}"


def _numbers(results: Results, trial: Trial) -> str:
    costs, limits = trial.mean_cost or {}, results.limits(trial)
    parts = [f"{name} {format_interval(costs.get(name))} (limit {limit:g})" for name, limit in limits.items()]
    return ", ".join([f"return {format_interval(trial.mean_return)}", *parts])


def missing_lines(results: Results) -> tuple[str, ...]:
    """One line for each trial that is not complete.

    Args:
        results: The study.
    """
    return tuple(_missing_line(trial, results) for trial in results.trials if trial.state is not State.COMPLETE)


def _missing_line(trial: Trial, results: Results) -> str:
    if trial.state is State.FAIL:
        return f"{named(trial)} failed: {trial.failure or 'no cause was recorded'}"
    budget = results.spec.env_steps * len(results.spec.seed_list)
    share = sum(run.env_steps for run in trial.seed_runs) / budget
    if trial.state is State.PRUNED:
        return f"{named(trial)} was stopped early at {share:.0%} of its env steps"
    return f"{named(trial)} is {trial.state.value} at {share:.0%} of its env steps"


def named(trial: Trial) -> str:
    """How lines of a report call a trial.

    Args:
        trial: The trial.
    """
    params = described(trial.params)
    return f"trial {trial.number} ({trial.arm}{f', {params}' if params else ''})"


def origin(results: Results, provenance: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What a report needs to be traced and repeated.

    Args:
        results: The study.
        provenance: Facts about its last start: commit and versions.

    Returns:
        Word → what it is.
    """
    spec, states = results.spec, [trial.state for trial in results.trials]
    versions = ", ".join(
        f"{name.removeprefix('version.')} {value}" for name, value in provenance.items() if "version." in name
    )
    dirty = " with uncommitted changes" if provenance.get("git_dirty") == "true" else ""
    attempts = sum(len({row.attempt for row in results.rows if row.trial == t.number}) > 1 for t in results.trials)
    done = sum(run.env_steps for trial in results.trials for run in trial.seed_runs)
    return (
        ("spec SHA-256", spec.sha256),
        ("commit", f"{provenance.get('git_commit', 'unknown')}{dirty}"),
        ("versions", versions or "unknown"),
        ("seeds", ", ".join(map(str, spec.seed_list))),
        ("budget", f"{spec.env_steps:,} env steps a seed; {done:,} done in all"),
        ("trials", f"{len(states)}, of which {states.count(State.COMPLETE)} are complete"),
        ("failures", str(states.count(State.FAIL))),
        ("early stops", str(states.count(State.PRUNED))),
        ("trials in several attempts", str(attempts)),
    )
