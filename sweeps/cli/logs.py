"""`lagsweep logs`: what happened to a study and when, and what its failed attempts said."""

import time
from datetime import datetime
from typing import Annotated

import typer

from sweeps.cli.options import ClusterOption, NameArgument, StorageOption, load
from sweeps.cli.output import Document, DocumentOption
from sweeps.cli.remote import show_logs
from sweeps.errors import SpecError

_POLL_S = 1.0


def logs(
    name: NameArgument,
    trial: Annotated[int | None, typer.Option(min=0, help="Only this trial.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as long as somebody runs the study.")] = False,
    storage: StorageOption = None,
    address: ClusterOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Show when drivers and trials started and ended, and why attempts failed. JSON: one event a line.

    With --address: what the study's job writes.
    """
    if address is not None:
        if trial is not None or output != "table":
            message = "`--trial` and `--output` select events of a storage folder, but --address shows a job's log."
            raise SpecError(message, code="usage", help="leave them out, or use --storage where it can be reached")
        show_logs(address, name, follow=follow)
        return
    from sweeps.tracking.spool import SPOOL_NAME, SpoolReader

    study = load(name, storage)
    reader = SpoolReader(study.folder / SPOOL_NAME)
    while True:
        running = study.holder is not None  # before the last look, so that nothing is missed between
        while events := reader.read():
            for event in events:
                line = event.model_dump_json() if output == "json" and event.event != "row" else _describe(event)
                if line is not None and (trial is None or _trial_of(event) == trial):
                    typer.echo(line)
        if not (follow and running):
            return
        time.sleep(_POLL_S)


def _trial_of(event: object) -> int | None:
    trial = getattr(event, "trial", None)
    return trial if isinstance(trial, int) else getattr(trial, "number", None)


def _describe(event: object) -> str | None:
    """An event in a line, with a traceback where it has one; None for rows and what is only MLflow's."""
    from sweeps.tracking.events import AttemptFailed, StudyStarted, StudyStopped, TrialFinished, TrialStarted

    match event:
        case StudyStarted(time=when):
            what = "driver started"
        case StudyStopped(time=when):
            what = "driver ended"
        case TrialStarted(time=when, trial=trial):
            steps = max((run.env_steps for run in trial.seed_runs), default=0)
            what = f"trial {trial.number} started" + (f" from env step {steps:,}" if steps else "")
        case TrialFinished(time=when, trial=trial):
            what = f"trial {trial.number} {trial.state.lower()}" + (f": {trial.failure}" if trial.failure else "")
        case AttemptFailed(time=when, trial=number, attempt=attempt, log=log):
            what = f"trial {number}, attempt {attempt} failed:\n" + "\n".join(f"  {line}" for line in log.splitlines())
        case _:
            return None
    return f"{datetime.fromtimestamp(when).astimezone().isoformat(' ', 'seconds')}  {what}"
