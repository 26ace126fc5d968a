"""What the documents promise exists: links, commands, public names, metrics."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTED = subprocess.run(
    ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.split()
DOCUMENTS = [ROOT / name for name in LISTED]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    dead = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert dead == []


def test_the_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z`, ]+`) \|", text, flags=re.MULTILINE)
    named = set(re.findall(r"`([a-z]+)`", " ".join(rows)))
    shown = subprocess.run(
        [sys.executable, "-m", "sweeps.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert named == set(re.findall(r"^│ ([a-z]+)  ", shown, flags=re.MULTILINE))


def test_the_python_of_the_readme_uses_names_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    import sweeps
    from sweeps.study import Study

    compile(block, "README.md", "exec")
    for name in re.findall(r"from sweeps import (.*)", block)[0].split(", "):
        assert getattr(sweeps, name) is not None
    for attribute in set(re.findall(r"study\.([a-z_]+)", block)):
        assert hasattr(Study, attribute), attribute


def test_every_metric_of_a_row_is_explained() -> None:
    """The keys that the learners and the algorithms write, as their sources spell them."""
    sources = "".join(
        (ROOT / "algorithms" / name).read_text(encoding="utf-8")
        for name in (
            "lagrangian_algorithm.py",
            "multiplier_network.py",
            "ppo_lagrangian/learner.py",
            "sac_lagrangian/learner.py",
            "sac_lagrangian/statewise_penalty.py",
        )
    )
    written = set(re.findall(r'"((?:train|loss|policy|multiplier|advantage|value|time)/[a-z_]+)"', sources))
    written |= {f"multiplier/{term}" for term in ("value", "error", "p", "i", "d")}
    explained = set(re.findall(r"`([a-z]+/[a-z_]+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")))
    assert written == {key for key in explained if not key.startswith(("final/", "objective/"))}
