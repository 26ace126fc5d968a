"""A report as one HTML page that needs nothing else, and the same as Markdown and LaTeX."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from sweeps.analysis.exhibit import Exhibit
from sweeps.analysis.style import svg_text
from sweeps.analysis.tables import csv_text
from sweeps.analysis.text_table import TextTable


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading of its own.

    Attributes:
        id: Its anchor.
        title: Its heading.
        paragraphs: Text before anything else.
        points: A list after it.
        terms: Words and what they mean.
        exhibits: Figures.
        tables: Tables, after the figures.
    """

    id: str
    title: str
    paragraphs: Sequence[str] = ()
    points: Sequence[str] = ()
    terms: Sequence[tuple[str, str]] = ()
    exhibits: Sequence[Exhibit] = ()
    tables: Sequence[TextTable] = ()


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: Its heading.
        subtitle: What it is about, in a line.
        verdict: The main results, a line each.
        missing: What it lacks, a line each.
        sections: Its parts; those without content are left out.
    """

    title: str
    subtitle: str
    verdict: Sequence[str] = ()
    missing: Sequence[str] = ()
    sections: Sequence[Section] = field(default_factory=tuple)

    def to_html(self) -> str:
        """One page with its figures, their data and its style inside: it works without a network and without scripts.

        Figures are SVG with a text alternative and a link to their data as CSV; tables have captions and row and column
        headers.
        """
        shown = [
            {**vars(section), "exhibits": [_embedded(exhibit) for exhibit in section.exhibits]}
            for section in self._filled()
        ]
        return _template().render(page={**vars(self), "sections": shown}) + "\n"

    def to_markdown(self) -> str:
        """The same in GitHub's Markdown; figures are links to the PNG files beside it."""
        return "\n\n".join(self._markdown_parts()) + "\n"

    def to_latex(self) -> str:
        """The page's tables, each a float."""
        return "\n".join(table.to_latex() for section in self.sections for table in section.tables)

    def _filled(self) -> list[Section]:
        return [
            section
            for section in self.sections
            if section.paragraphs or section.points or section.terms or section.exhibits or section.tables
        ]

    def _markdown_parts(self) -> Iterator[str]:
        yield f"# {self.title}"
        yield self.subtitle
        yield from (f"**{line}**" for line in self.verdict[:1])
        yield from self.verdict[1:]
        if self.missing:
            yield "## Not complete\n\n" + "\n".join(f"- {line}" for line in self.missing)
        for section in self._filled():
            yield f"## {section.title}"
            yield from section.paragraphs
            if section.points:
                yield "\n".join(f"- {point}" for point in section.points)
            if section.terms:
                yield "\n".join(f"- **{term}**: {meaning}" for term, meaning in section.terms)
            for exhibit in section.exhibits:
                yield f"![{exhibit.title}. {exhibit.description}]({exhibit.name}.png)"
            for table in section.tables:
                yield f"**{table.title}**\n\n{table.to_markdown()}" + (f"\n\n{table.note}" if table.note else "")


def _embedded(exhibit: Exhibit) -> dict[str, Any]:
    width, height = exhibit.figure.get_size_inches()
    return {
        "id": f"figure-{exhibit.name}",
        "name": exhibit.name,
        "title": exhibit.title,
        "description": exhibit.description,
        "svg": base64.b64encode(svg_text(exhibit.figure).encode()).decode(),
        "csv": base64.b64encode(csv_text(exhibit.rows).encode()).decode(),
        "num_rows": f"{len(exhibit.rows):,}",
        "width": round(100 * width),
        "height": round(100 * height),
    }


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("page.html.jinja")
