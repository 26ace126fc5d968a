"""Names that users choose stay names: none leads out of its folder, imports a module or reaches a shell."""

import re
import string
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import SweepError
from sweeps.running.checkpoint_place import join, place_of
from sweeps.running.checkpoints import CheckpointStore, trial_folder
from sweeps.spec import StudySpec
from sweeps.study import create_study

SPEC = {
    "task": "analytic/ring",
    "env_steps": 20_000,
    "seeds": 1,
    "cost_limit": 12.0,
    "lagrangian": {"update": "fixed"},
    "search": {"kind": "grid", "multiplier": [0.0]},
}
SAFE = set(string.ascii_letters + string.digits + "._-")

CONTROL = ["\x00", "\n", "\u2215", "\uff0e", "\u202e"]
TROUBLE = st.sampled_from(["..", "/", "\\", "../", "/etc/passwd", "~", "$HOME", "`id`", "$(id)", "%2e%2e", *CONTROL])
NAMES = st.one_of(
    st.text(max_size=80),
    st.lists(st.one_of(TROUBLE, st.text(string.ascii_letters + "._-", max_size=5)), max_size=6).map("".join),
)


def spec_named(name: str) -> StudySpec | None:
    try:
        return StudySpec.model_validate({"name": name, **SPEC})
    except ValueError:
        return None


@pytest.mark.parametrize("name", ["ring", "a..b", "A-1_x.yaml", "9", "x" * 64])
def test_these_names_are_fine(name):
    spec = spec_named(name)
    assert spec is not None
    assert spec.name == name


@given(NAMES)
def test_a_study_is_named_like_a_file_or_refused(name):
    spec = spec_named(name)
    if spec is None:
        return
    assert spec.name == name
    assert set(name) <= SAFE
    assert name[0] not in "._-"  # neither hidden nor an option nor a folder above
    assert len(name) <= 64
    for root in ("/data/studies", "s3://bucket/studies?region=eu"):
        assert join(root, name).startswith(root.partition("?")[0] + "/")
    assert PurePosixPath("/data", name).parent == PurePosixPath("/data")


@given(NAMES)
def test_so_is_an_arm(name):
    spec = {key: value for key, value in SPEC.items() if key not in {"lagrangian", "search"}}
    arm = {"lagrangian": SPEC["lagrangian"], "search": SPEC["search"]}
    try:
        read = StudySpec.model_validate({"name": "ring", **spec, "arms": {name: arm}})
    except ValueError:
        return
    assert list(read.arms) == [name]
    assert set(name) <= SAFE
    assert name[0] not in "._-"


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/b", "/tmp/x", ".hidden", "-rf", "a b", "", "a" * 65, "x\n", "x\0", "\u00e9"]
)
def test_these_names_are_refused(name):
    assert spec_named(name) is None


def test_a_study_keeps_to_its_folder(tmp_path):
    spec = spec_named("a..b")
    assert spec is not None
    study = create_study(spec, tmp_path / "storage")
    assert study.folder == tmp_path / "storage" / "studies" / "a..b"
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path).parts[0] for path in written} == {"storage"}


@given(trial=st.integers(0, 10**9), study=st.from_regex(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"))
def test_checkpoints_lie_below_their_place(trial, study):
    for root in ("/data/checkpoints", "s3://bucket/checkpoints"):
        where = trial_folder(join(root, study), trial)
        assert re.fullmatch(re.escape(f"{root}/{study}/") + r"t\d{4,}", where)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../outside"])
def test_a_manifest_that_names_files_elsewhere_is_damaged(name, tmp_path, caplog):
    import json

    from sweeps.records import ResultRow

    (tmp_path / "outside").write_text("mine")
    rows = [ResultRow(trial=7, seed=0, iteration=1, env_steps=1, time=1.0, attempt=1, metrics={})]
    store = CheckpointStore(str(tmp_path / "checkpoints"), seeds=[0])
    place = Path(store.save(1, rows, lambda folder: folder.mkdir(exist_ok=True)))
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["files"][name] = {"size": 4, "sha256": "0" * 64}
    (place / "manifest.json").write_text(json.dumps(manifest))
    assert store.load() is None
    assert (tmp_path / "outside").read_text() == "mine"
    assert place_of(tmp_path / "checkpoints").names() != []
    assert "damaged" in caplog.text.lower() or "manifest" in caplog.text.lower()


@pytest.mark.parametrize("task", ["../Circle1", "Circle1; id", "/tmp/evil.py:Circle1", "no_such_module:Circle1-v0"])
def test_a_task_is_known_or_refused(task):
    # `module:Env-v0` imports an installed module, as Gymnasium does; a path is none.
    before = set(sys.modules)
    with pytest.raises((SweepError, ValueError), match="task"):
        StudySpec.model_validate({"name": "x", **SPEC, "task": task})
    assert not [name for name in set(sys.modules) - before if "evil" in name]
