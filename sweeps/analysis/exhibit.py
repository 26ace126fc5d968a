"""A figure with its data and its words: what a report, a comparison and a notebook show."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sweeps.analysis.style import save_figure
from sweeps.analysis.tables import write_csv


@dataclass(frozen=True)
class Exhibit:
    """A figure.

    Attributes:
        name: File name without suffix.
        title: What it shows, a few words.
        description: What a reader who cannot see it has to know: axes, marks, and the main numbers.
        figure: The picture.
        rows: The data that it draws, with units in the names where the report does not say them.
    """

    name: str
    title: str
    description: str
    figure: Figure
    rows: Sequence[Mapping[str, Any]]

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Writes `<name>.png`, `<name>.svg` and `<name>.csv`.

        Args:
            folder: Where to; it exists.

        Returns:
            The three files.
        """
        return (*save_figure(self.figure, folder, self.name), write_csv(folder / f"{self.name}.csv", self.rows))

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=120)
        picture = base64.b64encode(buffer.getvalue()).decode()
        alt = html.escape(f"{self.title}. {self.description}", quote=True)
        return f'<img src="data:image/png;base64,{picture}" alt="{alt}" style="max-width: 100%">'
