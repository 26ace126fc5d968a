"""The study file's reference: every example is valid, every name is explained."""

import re
from pathlib import Path
from typing import get_args

import pytest

from sweeps.spec import StudySpec
from sweeps.spec.objectives import DIRECTIONS
from sweeps.spec.scales import scale_names
from sweeps.spec.search import Sampler
from sweeps.spec.shipped import shipped_studies
from sweeps.spec.yaml_file import parse_yaml

TEXT = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_an_example_is_a_study_at_every_scale(example: str, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(example, encoding="utf-8")
    for scale in (None, *scale_names(parse_yaml(example, "study.yaml"))):
        StudySpec.from_yaml(file, scale)


def test_every_objective_and_sampler_is_explained() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (maximize|minimize) \|", TEXT, flags=re.MULTILINE))
    assert rows == DIRECTIONS
    table = TEXT.split("`sampler` is one of")[1].split("\n\n")[1]
    assert set(re.findall(r"`([a-z0-9]+)`", table)) >= set(get_args(Sampler))


def test_every_kind_of_shipped_study_is_named() -> None:
    kinds = re.findall(r"^\| `([a-z-]+)-\*` \|", TEXT, flags=re.MULTILINE)
    named = {f"{kind}-{task}" for kind in kinds for task in ("circle1", "goal1", "button1", "push1")}
    assert {*named, "demo"} == {name for name in shipped_studies() if "sac" not in name and "alam" not in name}
