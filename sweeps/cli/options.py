"""Arguments and options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cluster.address import find_dashboard

if TYPE_CHECKING:
    from sweeps.study import Study

FileArgument = Annotated[
    Path, typer.Argument(help="Study file (YAML), or the name of a shipped study.", show_default=False)
]
ScaleOption = Annotated[
    str | None, typer.Option(help="One of the file's scales, such as desk or smoke; default: as the file stands.")
]
NameArgument = Annotated[str, typer.Argument(help="Name of the study.", show_default=False)]
StorageOption = Annotated[
    Path | None,
    typer.Option(
        envvar="LAGSWEEP_STORAGE", help="Folder of ledger, MLflow store and studies; default: ./lagsweep-runs."
    ),
]
ConcurrentOption = Annotated[int | None, typer.Option(min=1, help="Most trials at once; default: as many as fit.")]
CpusOption = Annotated[float, typer.Option(min=0.01, help="CPU cores that a trial reserves.")]
GpusOption = Annotated[float, typer.Option(min=0.0, max=1.0, help="GPUs that a trial reserves; a fraction shares one.")]
AddressOption = Annotated[
    str | None, typer.Option(help="Address of a Ray cluster; default: RAY_ADDRESS, else this machine.")
]


def _find_cluster(address: str | None) -> str | None:
    return None if address == "local" else address or find_dashboard()


ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        callback=_find_cluster,
        help="URL of a Ray head's dashboard, as http://head:8265: the studies of that cluster, not of here; default: "
        "RAY_API_SERVER_ADDRESS, or RAY_ADDRESS where it is such a URL. `local`: this machine.",
    ),
]
ReportOption = Annotated[bool, typer.Option(help="Write the report at the end.")]
CheckpointSecondsOption = Annotated[float, typer.Option(min=0.0, help="Seconds between two checkpoints of a trial.")]
CheckpointStepsOption = Annotated[
    int | None, typer.Option(min=1, help="Env steps of a seed between two checkpoints; default: only time counts.")
]


def load(name: str, storage: Path | None) -> "Study":
    """Loads a study; SQLAlchemy is imported only then."""
    from sweeps.study import load_study

    return load_study(name, storage)
