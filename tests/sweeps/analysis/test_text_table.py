"""One table, four forms."""

import io

from rich.console import Console

from sweeps.analysis.text_table import TextTable

TABLE = TextTable(
    "t", "A & B", ("name_1", "Δ", "x"), (("a|b", "1.5 [1, 2]", "–"), ("50% [red]", "→ 3", "7 %")), emphasized=1
)


def test_columns_of_numbers_are_set_flush_right():
    assert [TABLE.is_number(column) for column in range(3)] == [False, True, True]
    assert not TextTable("t", "", ("a",), (("3 (unsafe)",),)).is_number(0)
    assert not TextTable("t", "", ("a",), ()).is_number(0)


def test_markdown_escapes_what_it_would_read():
    assert TABLE.to_markdown().splitlines() == [
        "| name_1 | Δ | x |",
        "| --- | --: | --: |",
        r"| a\|b | 1.5 [1, 2] | – |", "| **50% [red]** | **→ 3** | **7 %** |"
    ]  # fmt: skip


def test_latex_escapes_what_it_would_read():
    latex = TABLE.to_latex()
    assert r"\caption{A \& B}" in latex
    assert r"\begin{tabular}{lrr}" in latex
    assert r"name\_1 & $\Delta$ & x \\" in latex
    assert r"\textbf{50\% [red]} & \textbf{$\to$ 3} & \textbf{7 \%} \\" in latex


def test_the_terminal_shows_brackets_as_they_are():
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(TABLE.to_rich())
    assert "50% [red]" in console.export_text()
