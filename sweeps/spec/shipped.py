"""The studies that come with Lagsweep, by name."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "studies"


def shipped_studies() -> list[str]:
    """Their names."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def study_path(given: Path | str) -> Path:
    """A study file: the given one, or the shipped study of that name where there is no such file.

    Examples:
        >>> study_path("lambda-profile-circle1").name
        'lambda-profile-circle1.yaml'
    """
    path = Path(given)
    shipped = FOLDER / f"{path}.yaml"
    return shipped if path.name == str(path) and not path.exists() and shipped.exists() else path
