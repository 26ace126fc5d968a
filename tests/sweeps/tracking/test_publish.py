"""Files that join a study in MLflow after its driver has ended."""

import pytest

from sweeps.tracking import Tracker
from sweeps.tracking.publish import publish

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def test_files_join_the_run_of_the_study(store, folder, client, caplog):
    tracker = Tracker(folder, store.uri, store.artifact_root, "demo", "name: demo", {})
    tracker.start()
    tracker.close()
    (folder / "report").mkdir()
    for name in ("report.md", "figure.svg"):
        (folder / "report" / name).write_text(name)
    publish(store, folder, [folder / "report" / "report.md"])
    publish(store, folder, [folder / "report" / "report.md", folder / "report" / "figure.svg"])
    experiment = client.get_experiment_by_name("demo")
    (run,) = client.search_runs([experiment.experiment_id])
    paths = [item.path for item in client.list_artifacts(run.info.run_id, "report")]
    assert paths == ["report/figure.svg", "report/report.md"]
    assert run.info.status == "FINISHED"
    assert not [record for record in caplog.records if record.name.startswith("mlflow")]
