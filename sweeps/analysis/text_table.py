"""A table of text cells, for terminals, Markdown, LaTeX and HTML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.markup import escape
from rich.table import Table

_LATEX = str.maketrans(
    {
        "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "λ": r"$\lambda$", "±": r"$\pm$", "≤": r"$\leq$",
        "≥": r"$\geq$", "→": r"$\to$", "–": "--", "−": r"$-$", "⁺": r"$^{+}$", "σ": r"$\sigma$", "Δ": r"$\Delta$",
        "τ": r"$\tau$", "∞": r"$\infty$", "·": r"$\cdot$", "×": r"$\times$", "α": r"$\alpha$", "γ": r"$\gamma$",
        "*": r"$^{*}$", "<": r"$<$", ">": r"$>$", "é": r"\'e", "…": r"\ldots{}",
    }
)  # fmt: skip

_NUMBER = re.compile(r"[→<≤± ]*[-−]?(\d[\d,.]*(e[-+]?\d+)?|inf)( ?%)?( \[[^\]]*\])?")


@dataclass(frozen=True)
class TextTable:
    """A table.

    Attributes:
        name: File name without suffix.
        title: What it shows.
        header: Titles of the columns.
        rows: Cells, as long as the header.
        note: How its numbers are defined, or empty.
        emphasized: Index of the row to stress, or None.
        faint: Indices of rows that matter less.
    """

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    emphasized: int | None = None
    faint: frozenset[int] = frozenset()

    def is_number(self, column: int) -> bool:
        """Whether a column holds numbers, and so is set flush right."""
        cells = [row[column] for row in self.rows]
        return bool(cells) and all(cell in {"", "–"} or _NUMBER.fullmatch(cell) for cell in cells)

    def to_rich(self, title: str | None = None) -> Table:
        """The table for a terminal: the stressed row in bold, faint ones dim.

        Args:
            title: Heading; None takes its own.
        """
        table = Table(
            title=escape(self.title if title is None else title),
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for column, name in enumerate(self.header):
            table.add_column(escape(name), justify="right" if self.is_number(column) else "left", overflow="fold")
        for index, row in enumerate(self.rows):
            style = "bold green" if index == self.emphasized else "dim" if index in self.faint else None
            table.add_row(*map(escape, row), style=style)
        return table

    def to_markdown(self) -> str:
        """The table in GitHub's Markdown, the stressed row in bold."""
        lines = [_markdown([_plain(name) for name in self.header])]
        lines.append(_markdown(["--:" if self.is_number(column) else "---" for column in range(len(self.header))]))
        for index, row in enumerate(self.rows):
            stressed = index == self.emphasized
            lines.append(_markdown([f"**{_plain(cell)}**" if stressed and cell else _plain(cell) for cell in row]))
        return "\n".join(lines)

    def to_latex(self) -> str:
        """The table as a LaTeX float with booktabs' rules, for UTF-8 input; the stressed row in bold."""
        columns = "".join("r" if self.is_number(column) else "l" for column in range(len(self.header)))
        lines = [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_latex(self.title)}}}",
            rf"  \label{{tab:{self.name}}}",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            f"    {' & '.join(map(_latex, self.header))} \\\\",
            r"    \midrule",
        ]
        for index, row in enumerate(self.rows):
            cells = [_latex(cell) for cell in row]
            if index == self.emphasized:
                cells = [rf"\textbf{{{cell}}}" for cell in cells]
            lines.append(f"    {' & '.join(cells)} \\\\")
        lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
        return "\n".join(lines) + "\n"


def _markdown(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(cell: str) -> str:
    """What Markdown takes literally."""
    return cell.replace("|", r"\|").replace("*", r"\*")


def _latex(cell: str) -> str:
    return cell.translate(_LATEX)
