"""An export holds every row, and its dictionary every column."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sweeps.analysis.data_export import dictionary, export_data
from sweeps.analysis.multipliers import MEASURES
from sweeps.calibration_record import write_record
from sweeps.records import State
from sweeps.spec.objectives import DIRECTIONS
from tests.sweeps.analysis.studies import ITERATIONS, finished_study

ARMS = {
    "fixed": {"lagrangian": {"update": "fixed"}, "search": {"kind": "grid", "multiplier": [0.0, 1.0]}},
    "net": {"lagrangian": {"update": "ga"}, "search": {"kind": "grid", "hidden_sizes": [[8, 8]]}},
}


@pytest.fixture
def study(tmp_path):
    return finished_study(
        tmp_path, ARMS, lambda arm, params: (20.0, 40.0), state=lambda n: State.FAIL if n == 1 else State.COMPLETE
    )


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_everything_recorded_is_there(study, tmp_path, form):
    files = export_data(study, tmp_path / "out", form)
    assert {path.name for path in files} == {
        f"{name}.{form}" for name in ("trials", "seeds", "rows", "episodes")
    } | {"spec.yaml", "dictionary.md", "origin.json"}  # fmt: skip
    read = pd.read_parquet if form == "parquet" else pd.read_csv
    tables = {name: read(tmp_path / "out" / f"{name}.{form}") for name in ("trials", "seeds", "rows", "episodes")}
    assert tables["trials"]["state"].tolist() == ["COMPLETE", "FAIL", "COMPLETE"]
    assert tables["trials"]["return"].tolist()[0] == 21.0
    assert tables["trials"]["param/hidden_sizes"].tolist()[2] == "8, 8"
    assert tables["trials"]["failure"].tolist()[1] == "RuntimeError: lost"
    assert len(tables["seeds"]) == 9
    assert len(tables["rows"]) == len(tables["episodes"]) == 3 * (2 * ITERATIONS + ITERATIONS // 2)
    last = tables["episodes"].query("trial == 0 and seed == 2").iloc[-1]
    assert (last["return"], last["cost/cost"]) == (22.0, 42.0)


def test_every_column_stands_in_the_dictionary(study, tmp_path):
    export_data(study, tmp_path / "out")
    text = (tmp_path / "out" / "dictionary.md").read_text()
    for name in ("trials", "seeds", "rows", "episodes"):
        section = re.search(rf"## {name}\n(.*?)\n## ", text, re.S).group(1)
        known = {re.sub("<.*>", "", column) for column in re.findall(r"^\| `([^`]+)`", section, re.M)}
        for column in pd.read_parquet(tmp_path / "out" / f"{name}.parquet").columns:
            plain = re.sub("_(low|high)$", "", column)
            assert plain in known or plain.split("/")[0] + "/" in known, (name, column)


def test_the_origin_says_what_failed_and_where_it_comes_from(study, tmp_path):
    export_data(study, tmp_path / "out")
    told = json.loads((tmp_path / "out" / "origin.json").read_text())
    assert (told["failures"], told["commit"], told["versions"]) == ("1", "c0ffee", "torch 9.9")
    assert told["spec SHA-256"] == study.spec.sha256
    assert (tmp_path / "out" / "spec.yaml").read_text() == study.spec.to_yaml()


def test_an_unknown_form_is_refused(study, tmp_path):
    with pytest.raises(ValueError, match="parquet"):
        export_data(study, tmp_path, "xlsx")


def test_retests_choice_and_calibration_are_there(study, tmp_path):
    study.trials[2] = replace(study.trials[2], retest_of=0)
    (study.folder / "policy").mkdir()
    (study.folder / "policy" / "choice.json").write_text('{"trial": 0}')
    arrays = {name: np.zeros((1, 1, 1)) for name in ("multiplier", "violation", "cost", "ended", "position", "probes")}
    arrays |= {"seeds": np.array([0]), "multiplier_max": np.array(1.0), "discount": np.array(0.99)}
    record = write_record(study.folder, 2, 1, arrays)
    out = tmp_path / "out"
    frames = export_data_and_read(study, out)
    assert frames["retest_of"].tolist()[2] == 0
    assert frames["retest_of"].isna().tolist() == [True, True, False]
    assert (out / "choice.json").read_text() == '{"trial": 0}'
    assert (out / "calibration" / record.name).read_bytes() == record.read_bytes()


def export_data_and_read(study, out):
    files = export_data(study, out)
    assert all(path.is_file() for path in files)
    assert {"choice.json", "trial-0002-attempt-0001.npz"} <= {path.name for path in files}
    return pd.read_parquet(out / "trials.parquet")


def test_every_objective_and_measure_of_a_multiplier_is_defined(study):
    words = dictionary(study.spec)
    measured = [name for name in DIRECTIONS if name not in ("return", "cost")]
    for name in [*measured, *(f"multiplier/{name}" for name in MEASURES)]:
        assert f"| `measure/{name}` |" in words
    assert "never got feasible" in words
