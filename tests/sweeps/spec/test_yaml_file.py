"""Files that are no YAML mapping, and where keys and values stand in those that are."""

from pathlib import Path

import pytest

from sweeps.errors import SpecError
from sweeps.spec.yaml_file import parse_yaml, read_yaml

TEXT = """\
# comment
name: x
list: [1, {deep: 20}]
block:
  - a: 1
  - b: two
empty:
"""


def where(path: tuple[str | int, ...], *, at_key: bool = False) -> str:
    place = parse_yaml(TEXT, "f.yaml").locate(path, at_key=at_key)
    return f"{place.line}:{place.column}:{place.text[place.column - 1 : place.column - 1 + place.width]}"


def test_data_are_dicts_tuples_and_scalars():
    assert parse_yaml(TEXT, "f.yaml").data == {
        "name": "x", "list": (1, {"deep": 20}), "block": ({"a": 1}, {"b": "two"}), "empty": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("name",), "2:7:x"),
        (("list", 1, "deep"), "3:18:20"),
        (("list", 0), "3:8:1"),
        (("block", 1, "b"), "6:8:two"),
        (("block",), "4:1:block"),  # a block is shown by its key
        (("empty",), "7:1:empty"),  # and so is what is not there
        (("union tag", "name"), "2:7:x"),  # parts that are not in the file are skipped
        (("name", "missing"), "2:7:x"),
        ((), "2:1:n"),
    ],
)
def test_a_path_is_found_in_the_text(path: tuple[str | int, ...], place: str):
    assert where(path) == place


def test_a_key_can_be_pointed_at():
    assert where(("list", 1, "deep"), at_key=True) == "3:12:deep"


def test_numbers_may_be_written_with_underscores_and_exponents():
    assert parse_yaml("a: 10_000\nb: 1e-4\nc: 1.0e3\nd: off", "f").data == {
        "a": 10_000,
        "b": 1e-4,
        "c": 1e3,
        "d": "off",
    }


@pytest.mark.parametrize(
    ("text", "code", "place", "message"),
    [
        ("", "empty-file", "1:1", "empty"),
        ("# only a comment\n", "empty-file", "1:1", "empty"),
        ("- 1\n", "wrong-type", "1:1", "a mapping of keys to values, but holds a list"),
        ("~", "wrong-type", "1:1", "holds None"),
        ("a: 1\nb: [1, 2\n", "yaml-syntax", "2:9", "expected ',' or ']'"),
        ("a: b: c\n", "yaml-syntax", "1:5", "mapping values are not allowed here"),
        ("a:\n\tb: 1\n", "yaml-syntax", "2:1", "cannot start any token"),
        ("a: 1\nb: 2\na: 3\n", "duplicate-key", "3:1", "`a` stands twice"),
        ("x:\n  a: 1\n  a: 3\n", "duplicate-key", "3:3", "`a` stands twice"),
        ("a: *b\n", "yaml-syntax", "1:4", "undefined alias"),
        ("a: &a [1, *a]\n", "yaml-syntax", "1:4", "refers to what contains it"),
        ("a: 1\n---\nb: 1\n", "yaml-syntax", "2:1", "another document"),
        ("a: !!python/object/apply:os.getcwd []\n", "yaml-syntax", "1:4", "could not determine a constructor"),
        ("a: \x00", "yaml-syntax", "1:1", "unacceptable character"),
        ("a: 2026-13-01\n", "yaml-syntax", "1:1", "month"),
    ],
)
def test_what_is_no_mapping_is_refused_with_its_place(text: str, code: str, place: str, message: str):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "f.yaml")
    error = caught.value
    assert error.location is not None
    assert (error.code, f"{error.location.line}:{error.location.column}") == (code, place)
    assert message in error.message


def doublings(levels: int) -> str:
    """A list twice in a list twice in a list …: 2^levels items in as many lines."""
    lines = ["l0: &l0 [x, x]", *(f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}]" for n in range(1, levels))]
    return "\n".join(lines)


def test_an_alias_may_be_used_and_is_made_once():
    data = parse_yaml(doublings(10), "f.yaml").data
    assert data["l1"] == (("x", "x"), ("x", "x"))
    assert data["l9"][0] is data["l9"][1]  # 2¹⁰ items, one of each made


def test_aliases_that_stand_for_too_many_values_are_refused_and_cost_nothing():
    with pytest.raises(SpecError, match="at most 100,000 values") as caught:
        parse_yaml(doublings(60), "f.yaml")  # 2⁶⁰ items
    assert caught.value.code == "yaml-syntax"


def test_a_missing_file_names_its_neighbors(tmp_path: Path):
    (tmp_path / "demo.yaml").write_text("a: 1")
    with pytest.raises(SpecError) as caught:
        read_yaml(tmp_path / "dmeo.yaml")
    assert (caught.value.code, caught.value.help) == ("file-not-found", f"study files in {tmp_path}: demo.yaml")
    with pytest.raises(SpecError) as caught:
        read_yaml(tmp_path / "no" / "demo.yaml")
    assert caught.value.help == f"there is no folder {tmp_path / 'no'}"


def test_a_folder_a_binary_and_a_huge_file_are_refused(tmp_path: Path):
    (tmp_path / "binary.yaml").write_bytes(b"a: \xff\xfe")
    (tmp_path / "huge.yaml").write_text("#" * (2**20 + 1))
    for path, message in [
        (tmp_path, "cannot be read"),
        (tmp_path / "binary.yaml", "not UTF-8 text (byte 3)"),
        (tmp_path / "huge.yaml", "larger than"),
    ]:
        with pytest.raises(SpecError) as caught:
            read_yaml(path)
        assert caught.value.code == "unreadable-file"
        assert message in caught.value.message
