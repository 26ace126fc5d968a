"""How a notebook shows a study."""

import html
from typing import TYPE_CHECKING

from sweeps.analysis.results import Results
from sweeps.analysis.study_page import best_line, missing_lines
from sweeps.analysis.study_tables import trials_table

if TYPE_CHECKING:
    from sweeps.study import Study


def study_html(study: "Study") -> str:
    """A study's trials as a table with its best trial and what is missing; reads no rows, so it is quick.

    Args:
        study: The study.

    Returns:
        HTML; everything that came from outside is escaped.
    """
    results = Results(study.spec, tuple(study.trials), ())
    table = trials_table(results)
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.header)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    caption = html.escape(f"{study.name}: {study.spec.task}; {best_line(results)}")
    missing = "".join(f"<li>{html.escape(line)}</li>" for line in missing_lines(results))
    return (
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{f'<ul>{missing}</ul>' if missing else ''}"
    )
