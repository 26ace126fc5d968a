"""`lagsweep doctor`: what is wrong with this machine or a cluster, and what to do."""

import typer

from sweeps.cli.options import ClusterOption, StorageOption
from sweeps.cli.output import Document, DocumentOption, show_json

_SIGNS = {"ok": "ok  ", "warning": "warn", "failure": "FAIL"}


def doctor(
    storage: StorageOption = None,
    address: ClusterOption = None,
    output: DocumentOption = Document.TABLE,
) -> None:
    """Check Ray, token, MLflow, ledger, storage, clocks, GPU, versions, disk and memory; say what to do.

    With --address that cluster, from here and from inside; with RAY_ADDRESS=head:6379 every node of it. Ends with 0
    unless something failed: 2, 4 (authentication), 5 (unreachable).
    """
    from sweeps.cluster.doctor.examination import examine_cluster, examine_here
    from sweeps.cluster.doctor.finding import Level, worst_exit_code
    from sweeps.storage import storage_folder

    findings = examine_here(storage_folder(storage)) if address is None else examine_cluster(address)
    code = worst_exit_code(findings)
    if output == "json":
        show_json({"healthy": code == 0, "findings": [finding.to_dict() for finding in findings]})
    else:
        for finding in findings:
            typer.echo(f"{_SIGNS[finding.level]}  {finding.check:<13}  {finding.message}")
            if finding.level is not Level.OK and finding.help:
                typer.echo(f"{'':21}-> {finding.help}")
    if code:
        raise typer.Exit(code)
