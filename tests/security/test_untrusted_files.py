"""What somebody else may have written runs nothing: study files, policies, checkpoints that were changed."""

import ast
import os
import pickle
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import SweepError
from sweeps.policy_files import DESCRIPTION_NAME, WEIGHTS_NAME, read_policy, save_policy
from sweeps.running.checkpoints import CheckpointStore
from sweeps.spec import StudySpec
from sweeps.spec.yaml_file import parse_yaml
from tests.sweeps.test_policy import DESCRIPTION, tensors

ROOT = Path(__file__).parents[2]

FIELDS = {
    "name": "ring",
    "task": "analytic/ring",
    "env_steps": "20_000",
    "seeds": "2",
    "cost_limit": "12.0",
    "lagrangian": "{update: fixed}",
    "search": "{kind: grid, multiplier: [0.0]}",
}


def study_file(**changed: str) -> str:
    return "".join(f"{key}: {value}\n" for key, value in {**FIELDS, **changed}.items())


def test_the_file_that_the_attacks_start_from_is_good(tmp_path):
    (tmp_path / "study.yaml").write_text(study_file())
    assert StudySpec.from_yaml(tmp_path / "study.yaml").name == "ring"


CALLS = st.sampled_from(
    ["object/apply:", "object/new:", "name:", "module:", "object:", "tuple", "object/apply:subprocess."]
)
TARGETS = st.sampled_from(["os.system", "os.mkdir", "builtins.eval", "builtins.exec", "pathlib.Path.mkdir", "Popen"])


@given(prefix=st.sampled_from(["!!python/", "!python/", "!<tag:yaml.org,2002:python/"]), call=CALLS, target=TARGETS)
def test_a_tag_of_yaml_never_runs_anything(prefix, call, target, tmp_path_factory):
    marker = tmp_path_factory.getbasetemp() / "marker"
    tag = f"{prefix}{call}{target}" + (">" if "<" in prefix else "")
    for arguments in (f"['{marker}']", f"[['mkdir', '{marker}']]", f"'mkdir {marker}'"):
        with pytest.raises(SweepError):
            parse_yaml(study_file(task=f"{tag} {arguments}"), "study.yaml")
    assert not marker.exists()


def aliases(levels: int) -> str:
    """Nine times nine times … the same list, in a line."""
    lists = ["&a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lists += [f"&a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    return ", ".join(lists)


@pytest.mark.parametrize("field", ["name", "task", "seeds", "cost_limit", "search"])
def test_a_few_lines_that_stand_for_billions_of_values_are_refused_at_once(field, tmp_path):
    bomb = aliases(10)  # 9^10, 3.5 billion
    value = f"{{kind: grid, multiplier: [{bomb}]}}" if field == "search" else f"[{bomb}]"
    path = tmp_path / "study.yaml"
    path.write_text(study_file(**{field: value}))
    begin = time.process_time()
    with pytest.raises(SweepError, match="at most 100,000 values"):
        StudySpec.from_yaml(path)
    assert time.process_time() - begin < 5.0


def test_lists_that_stand_for_many_values_are_read_as_long_as_they_stand_for_few():
    assert parse_yaml(f"a: [{aliases(4)}]", "study.yaml").data["a"][1][0] == (1,) * 9


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_what_is_nested_too_deeply_is_an_error_of_the_file(opening, closing):
    text = f"name: {opening * 1_500}1{closing * 1_500}\n"
    with pytest.raises(SweepError, match="nested too deeply"):
        parse_yaml(text, "study.yaml")


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def test_the_bomb_goes_off(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "marker")))
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", [WEIGHTS_NAME, DESCRIPTION_NAME])
def test_a_policy_never_unpickles(name, tmp_path):
    save_policy(tmp_path, DESCRIPTION, tensors())
    read_policy(tmp_path)  # both files are fine before
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "marker")))
    with pytest.raises(SweepError, match="are as written"):
        read_policy(tmp_path)
    assert not (tmp_path / "marker").exists()


def test_a_checkpoint_that_was_changed_is_not_unpickled(tmp_path, caplog):
    from sweeps.records import ResultRow

    store = CheckpointStore(str(tmp_path), seeds=[0])
    rows = [ResultRow(trial=7, seed=0, iteration=1, env_steps=1, time=1.0, attempt=1, metrics={})]

    def write(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "state.pkl").write_bytes(pickle.dumps({"good": 1}))

    place = Path(store.save(1, rows, write))
    checkpoint = store.load()
    assert checkpoint is not None
    checkpoint.algorithm.joinpath("state.pkl").write_bytes(pickle.dumps(Bomb(tmp_path / "marker")))
    assert store.load() is None
    assert not place.exists()  # set aside, and said
    assert not (tmp_path / "marker").exists()
    assert "state.pkl" in caplog.text


DANGEROUS = {
    "pickle.load",
    "pickle.loads",
    "cloudpickle.load",
    "cloudpickle.loads",
    "torch.load",
    "joblib.load",
    "marshal.loads",
    "shelve.open",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
    "eval",
    "exec",
}
ALLOWED = {
    # A checkpoint of our own, after its manifest.
    ("algorithms/ppo_lagrangian/members.py", "pickle.loads"),
    ("algorithms/ppo_lagrangian/policies.py", "pickle.load"),
    ("algorithms/sac_lagrangian/policies.py", "pickle.load"),
    # What this process itself has just pickled, to see whether it can be.
    ("environments/worker_processes.py", "pickle.loads"),
    # An exception that Ray wrote on this machine, in a folder of this driver's own.
    ("sweeps/running/failures.py", "cloudpickle.load"),
}


def calls(path: Path) -> set[str]:
    """Names of the functions that a module calls, as written."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    shells = {"shell=True" for node in nodes for keyword in node.keywords if keyword.arg == "shell"}
    return {ast.unparse(node.func) for node in nodes} | shells


def test_code_is_read_from_data_in_known_places_only():
    modules = [path for package in ("sweeps", "algorithms", "environments") for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 150
    found = {
        (str(path.relative_to(ROOT)), call) for path in modules for call in calls(path) & (DANGEROUS | {"shell=True"})
    }
    assert found == ALLOWED
