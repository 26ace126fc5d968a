"""`compare`: studies side by side, from Python.

compare(["lambda-profile", "ga", "pid"], by="update").table()
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.study import Study, load_study

if TYPE_CHECKING:
    from sweeps.analysis.compare import By, Comparison


def compare(
    studies: Sequence["Study | str"], by: "By" = "study", *, storage: str | Path | None = None, force: bool = False
) -> "Comparison":
    """Puts studies side by side, paired by seed where seeds are common.

    Args:
        studies: Studies or their names, one at least.
        by: What takes part: each `study`, each `arm` of each study, or each multiplier `update` of all of them.
        storage: The storage folder of names; None takes LAGSWEEP_STORAGE or `lagsweep-runs`.
        force: Whether to show studies of different tasks, limits or budgets all the same; nothing is then tested.

    Returns:
        The comparison: `table()` is a DataFrame, `contrasts()` every pair, `write(folder)` a page with figures; a
        notebook shows it.

    Raises:
        NotFoundError: If there is no study of a name.
        SweepError: If tasks, cost limits or env steps differ and `force` is False; says which.
        ValueError: If there is no study or `by` is unknown.
    """
    from sweeps.analysis.compare import compare_studies  # Matplotlib: only where something is compared

    return compare_studies(
        [load_study(study, storage) if isinstance(study, str) else study for study in studies], by, force=force
    )
