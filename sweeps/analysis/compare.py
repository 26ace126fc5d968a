"""Several studies, or arms of studies, against each other: tables, figures and one page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sweeps.analysis.aggregate_tables import updates_table
from sweeps.analysis.arms import Contrast, contrasts, contrasts_table
from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.joint_figures import joint_exhibits
from sweeps.analysis.page import Page, Section
from sweeps.analysis.profile import seed_values
from sweeps.analysis.report import frame, provenance_of
from sweeps.analysis.results import ReportedStudy, Results, read_results
from sweeps.analysis.study_page import DEFINITIONS, missing_lines, named, origin
from sweeps.analysis.table_one import table_one
from sweeps.analysis.tables import format_interval
from sweeps.analysis.text_table import TextTable
from sweeps.errors import SweepError
from sweeps.records import Trial
from sweeps.trial_table import best_of

if TYPE_CHECKING:
    import pandas as pd

By = Literal["study", "arm", "update"]


@dataclass(frozen=True)
class Contestant:
    """What takes part in a comparison: the leader of a study, an arm or an update.

    Attributes:
        label: What it is called.
        results: Its study.
        trial: Its best feasible trial, else the one nearest to its limits.
    """

    label: str
    results: Results
    trial: Trial


@dataclass(frozen=True)
class Comparison:
    """Several studies side by side.

    Attributes:
        studies: The studies.
        contestants: Who takes part, in the order of the studies.
        differing: What differs between them that should not, such as `task (Circle1, Goal1)`; empty as a rule.
        notes: What else differs between the studies: the algorithm or its hyperparameters, each with its values.
        provenances: Facts about the last start of each study: commit and versions.
    """

    studies: tuple[Results, ...]
    contestants: tuple[Contestant, ...]
    differing: tuple[str, ...]
    notes: tuple[str, ...] = ()
    provenances: tuple[Mapping[str, str], ...] = ()

    def contrasts(self) -> list[Contrast]:
        """Every pair, by common seeds where there are two of them; none where tasks or limits differ."""
        if self.differing or len(self.contestants) < 2:
            return []
        trials = {c.label: c.trial for c in self.contestants if seed_values(c.trial)}
        return contrasts(trials, list(self.studies[0].spec.cost_limits))

    def table(self) -> "pd.DataFrame":
        """One row a contestant.

        Returns:
            Columns `label`, `study`, `task`, `arm`, `trial`, `return`, `return_low`, `return_high`, for each cost
            `<cost>`, `<cost>_low`, `<cost>_high`, `limit_<cost>`, and `feasible`, `num_seeds`.
        """
        import pandas as pd

        return pd.DataFrame([_row(contestant) for contestant in self.contestants])

    def text_table(self) -> TextTable:
        """The same for people."""
        costs = list(dict.fromkeys(name for results in self.studies for name in results.spec.cost_limits))
        best = best_of([c.trial for c in self.contestants]) if not self.differing else None
        rows = tuple(_cells(contestant, costs) for contestant in self.contestants)
        leader = next((i for i, c in enumerate(self.contestants) if c.trial is best), None)
        return TextTable(
            name="contestants",
            title="Leaders",
            header=("contestant", "task", "configuration", "return", *costs, "limit", "feasible"),
            rows=rows,
            note="Of each contestant the best feasible trial, else the one nearest to its limits; mean over seeds with "
            "a 95 % t-interval.",
            emphasized=leader,
            faint=frozenset(i for i, c in enumerate(self.contestants) if not c.trial.feasible),
        )

    def table_one(self) -> TextTable | None:
        """Table 1 of Spoor et al. (2025), where a multiplier moves."""
        return table_one([(c.label, c.results, c.trial) for c in self.contestants])

    def exhibits(self) -> list[Exhibit]:
        """The figures of the comparison."""
        return joint_exhibits([(c.label, c.results, c.trial) for c in self.contestants], self.studies)

    def page(self) -> Page:
        """Everything on one page."""
        found = self.contrasts()
        tables = [self.text_table(), *([contrasts_table(found)] if found else [])]
        one, joint = self.table_one(), updates_table([(c.label, c.results, c.trial) for c in self.contestants])
        held = [table for table in (one, joint) if table is not None]
        missing = [f"{r.spec.name}: {line}" for r in self.studies for line in missing_lines(r)]
        if self.differing:
            missing.append(f"pairwise differences: the studies differ in {'; '.join(self.differing)}")
        names = " · ".join(results.spec.name for results in self.studies)
        facts = zip(self.studies, self.provenances or ({},) * len(self.studies), strict=True)
        origins = [(f"{r.spec.name}: {word}", meaning) for r, known in facts for word, meaning in origin(r, known)]
        return Page(
            title="Comparison",
            subtitle=names,
            verdict=tuple(f"{c.label}: {named(c.trial)}, return {format_interval(c.trial.mean_return)}"
                          for c in self.contestants),
            missing=missing,
            sections=(
                Section("contestants", "Leaders", tables=tables, paragraphs=self.notes),
                Section("stability", "Holding the limit", tables=held),
                Section("figures", "Figures", exhibits=self.exhibits()),
                Section("definitions", "Definitions", terms=DEFINITIONS),
                Section("origin", "Origin", terms=origins),
            ),
        )  # fmt: skip

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Writes `comparison.html`, `.md`, `.tex`, `.csv` and the figures with their data.

        Args:
            folder: Where to; made where it does not exist.

        Returns:
            The files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        page = self.page()
        texts = {
            "comparison.html": page.to_html(),
            "comparison.md": page.to_markdown(),
            "comparison.tex": page.to_latex(),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        self.table().to_csv(folder / "comparison.csv", index=False)
        figures = [path for section in page.sections for e in section.exhibits for path in e.save(folder)]
        return (*(folder / name for name in texts), folder / "comparison.csv", *figures)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return frame(self.page().to_html())


def compare_studies(studies: Sequence[ReportedStudy], by: By = "study", *, force: bool = False) -> Comparison:
    """Puts studies side by side.

    Args:
        studies: The studies, one at least.
        by: What takes part: each `study`, each `arm` of each study, or each multiplier `update` of all of them.
        force: Whether to compare studies of different tasks, limits, budgets or rules of feasibility all the same;
            nothing is then tested.

    Returns:
        The comparison; a study without a complete trial takes no part and is named as missing.

    Raises:
        SweepError: If tasks, cost limits, env steps or rules of feasibility (`aggregate`, `cost_bound`) differ and
            `force` is False; says which.
        ValueError: If there is no study or `by` is unknown.
    """
    if not studies or by not in ("study", "arm", "update"):
        raise ValueError(f"`by` must be 'study', 'arm' or 'update' with at least one study, but got {by!r}.")
    read = tuple(read_results(study) for study in studies)
    contestants = tuple(_contestants(read, by))
    differing = _differing(read, contestants)
    if differing and not force:
        raise SweepError(
            f"`compared studies share task, cost limits, env steps and rule of feasibility` must hold, but they differ "
            f"in {'; '.join(differing)}.",
            code="not-comparable",
            help="compare studies of one setting, or pass --force (force=True) to see them side by side untested",
        )
    return Comparison(read, contestants, differing, _notes(read), tuple(provenance_of(study) for study in studies))


def _differing(studies: Sequence[Results], contestants: Sequence[Contestant]) -> tuple[str, ...]:
    limits = [_limits(results.spec.cost_limits) for results in studies]
    own = [_limits(contestant.results.limits(contestant.trial)) for contestant in contestants]
    told = {
        "task": [results.spec.task for results in studies],
        "cost limits": limits if len(set(limits)) > 1 else own,  # a study may search its limit
        "env steps": [f"{results.spec.env_steps:,}" for results in studies],
        "rule of feasibility": [f"{r.spec.aggregate} over seeds, bound {r.spec.cost_bound}" for r in studies],
    }
    return _unlike(told)


def _notes(studies: Sequence[Results]) -> tuple[str, ...]:
    algorithms = [results.spec.algorithm for results in studies]
    told = {"algorithm": [str(algorithm) for algorithm in algorithms]}
    if len(set(algorithms)) == 1:
        settings = [results.spec.hyperparameters.to_parameters().model_dump() for results in studies]
        told |= {name: [str(values[name]) for values in settings] for name in settings[0]}
    return tuple(f"The studies differ in {one}." for one in _unlike(told))


def _unlike(told: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What has several values, with them."""
    return tuple(
        f"{name} ({', '.join(dict.fromkeys(values))})" for name, values in told.items() if len(set(values)) > 1
    )


def _limits(limits: Mapping[str, float]) -> str:
    return " and ".join(f"{name} ≤ {limit:g}" for name, limit in limits.items())


def _contestants(studies: Sequence[Results], by: By) -> list[Contestant]:
    groups: dict[tuple[str, ...], list[Contestant]] = {}
    several = len(studies) > 1
    for results in studies:
        mine: dict[tuple[str, ...], list[Trial]] = {}
        for trial in results.complete:
            update, study = results.run(trial).lagrangian.update, results.spec.name
            key = {"study": (study,), "arm": (*((study,) if several else ()), trial.arm), "update": (update,)}[by]
            if by == "update" and len({r.spec.task for r in studies}) > 1:
                key = (update, _task(results))
            mine.setdefault(key, []).append(trial)
        for key, trials in mine.items():
            found = [Contestant(": ".join(key), results, trial) for trial in results.eligible(trials)]
            groups.setdefault(key, []).extend(found)
    return [_leader(group) for group in groups.values()]


def _leader(group: Sequence[Contestant]) -> Contestant:
    def rank(contestant: Contestant) -> tuple[bool, float]:
        trial = contestant.trial
        assert trial.mean_return is not None
        return bool(trial.feasible), trial.mean_return.mean if trial.feasible else -contestant.results.excess(trial)

    return max(group, key=rank)


def _task(results: Results) -> str:
    return f"{results.spec.task} ({_limits(results.spec.cost_limits)})"


def _row(contestant: Contestant) -> dict[str, object]:
    trial, results = contestant.trial, contestant.results
    assert trial.mean_return is not None
    value = trial.mean_return
    row: dict[str, object] = {
        "label": contestant.label, "study": results.spec.name, "task": results.spec.task, "arm": trial.arm,
        "trial": trial.number, "return": value.mean, "return_low": value.low, "return_high": value.high,
    }  # fmt: skip
    for name, limit in results.limits(trial).items():
        cost = (trial.mean_cost or {})[name]
        row |= {name: cost.mean, f"{name}_low": cost.low, f"{name}_high": cost.high, f"limit_{name}": limit}
    return row | {"feasible": bool(trial.feasible), "num_seeds": len(seed_values(trial)) or value.num_seeds}


def _cells(contestant: Contestant, costs: Sequence[str]) -> tuple[str, ...]:
    trial, limits = contestant.trial, contestant.results.limits(contestant.trial)
    mean_costs: Mapping[str, object] = trial.mean_cost or {}
    return (
        contestant.label,
        contestant.results.spec.task,
        named(trial),
        format_interval(trial.mean_return),
        *(format_interval((trial.mean_cost or {})[c]) if c in mean_costs else "–" for c in costs),
        ", ".join(f"{limit:g}" for limit in limits.values()),
        "yes" if trial.feasible else "no",
    )
