"""A study file at its scales, and errors that point into the right lines."""

import pytest

from sweeps.errors import SpecError
from sweeps.spec import StudySpec
from sweeps.spec.scales import scale_names, scaled
from sweeps.spec.yaml_file import parse_yaml

TEXT = """\
name: profile
task: analytic/ring
cost_limit: 12.0
env_steps: 400_000
seeds: 10
hyperparameters: {preset: paper, num_envs: 4}
arms:
  fixed: {lagrangian: {update: fixed}, search: {kind: grid, multiplier: [0, 1, 2]}}
  ga: {lagrangian: {update: ga}}
scales:
  paper: {}
  desk:
    seeds: 3
    hyperparameters: {preset: desk}
    arms: {fixed: {search: {multiplier: [0, 1]}}}
  tiny: {name: small, env_steps: 40_000, seeds: [1, 2, x]}
"""


def at(scale: str | None) -> StudySpec:
    return StudySpec.from_file(scaled(parse_yaml(TEXT, "study.yaml"), scale))


def test_without_a_scale_the_file_is_what_it_says() -> None:
    assert (at(None).name, at(None).seeds, at(None).env_steps) == ("profile", 10, 400_000)
    assert at("paper") == at(None)
    assert StudySpec.from_text(TEXT) == at(None)


def test_a_scale_replaces_its_keys_merges_mappings_and_names_the_study() -> None:
    desk = at("desk")
    assert (desk.name, desk.seeds, desk.env_steps) == ("profile-desk", 3, 400_000)
    assert (desk.hyperparameters.preset, desk.hyperparameters.num_envs) == ("desk", 4)  # pyright: ignore[reportAttributeAccessIssue]
    assert list(desk.arms) == ["fixed", "ga"]
    search = desk.arms["fixed"].search
    assert search is not None
    assert search.model_dump()["multiplier"] == (0.0, 1.0)


def test_the_scales_of_a_file() -> None:
    assert scale_names(parse_yaml(TEXT, "study.yaml")) == ["paper", "desk", "tiny"]
    assert scale_names(parse_yaml("name: x", "study.yaml")) == []


def test_an_error_in_a_scale_points_at_its_line() -> None:
    with pytest.raises(SpecError) as caught:
        at("tiny")
    assert caught.value.location is not None
    assert (caught.value.location.line, caught.value.location.text[2:6]) == (16, "tiny")


def test_an_unknown_scale_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"study\.yaml has no scale 'dsek'") as caught:
        at("dsek")
    assert caught.value.help == "did you mean `desk`? known: desk, paper, tiny"


@pytest.mark.parametrize("scales", ["[desk]", "{desk: 3}"])
def test_scales_must_be_mappings(scales: str) -> None:
    file = parse_yaml(f"name: x\nscales: {scales}\n", "study.yaml")
    with pytest.raises(SpecError, match="a scale must be a mapping") as caught:
        scaled(file, None)
    assert caught.value.location is not None
    assert caught.value.location.line == 2
