"""Policies in MLflow's model registry."""

import pytest

from sweeps.errors import NotFoundError
from sweeps.policy import Policy, load_policy, save_policy
from sweeps.tracking.shipper import Shipper
from tests.sweeps.test_policy import DESCRIPTION, tensors
from tests.sweeps.tracking.tracked import make_tracker, runs_of, trial

# MLflow uses a loader strategy that SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def test_a_policy_is_registered_once_and_the_last_best_one_is_the_champion(store, folder, client):
    tracker = make_tracker(store, folder)
    tracker.start()
    for number in (0, 1, 0):
        tracker.trial_started(trial(number))
        policy = folder / f"policy-{number}"
        save_policy(policy, DESCRIPTION.model_copy(update={"trial": number}), tensors())
        tracker.policy(number, policy)
    tracker.close()
    (folder / "shipped.json").unlink()
    again = Shipper(folder, store.uri, store.artifact_root)
    again.start()
    assert again.close(60) == 0
    versions = client.search_model_versions("name = 'lagsweep-demo'")
    assert sorted((int(v.version), v.tags["lagsweep.trial"]) for v in versions) == [(1, "0"), (2, "1")]
    champion = client.get_model_version_by_alias("lagsweep-demo", "champion")
    assert champion.run_id == runs_of(client)["trial", "0", None].info.run_id
    kept = load_policy(client.download_artifacts(champion.run_id, champion.source.partition(champion.run_id)[2][1:]))
    assert kept.description.trial == 0


def test_a_policy_that_is_registered_by_hand_becomes_the_champion_and_leaves_older_versions_as_they_are(
    store, folder, client
):
    tracker = make_tracker(store, folder)
    tracker.start()
    tracker.trial_started(trial(0))
    policy = folder / "policy"
    save_policy(policy, DESCRIPTION.model_copy(update={"trial": 0}), tensors())
    tracker.policy(0, policy)
    tracker.close()
    first, other = load_policy(policy), load_policy(policy, DESCRIPTION.seeds[0])
    assert other.seed != first.seed

    assert first.register(store.uri) == "1"  # the driver did
    assert other.register(store.uri) == "2"

    champion = client.get_model_version_by_alias("lagsweep-demo", "champion")
    assert (str(champion.version), champion.tags["lagsweep.seed"]) == ("2", str(other.seed))
    for version, seed in (("1", first.seed), ("2", other.seed)):
        source = client.get_model_version("lagsweep-demo", version).source
        kept = load_policy(client.download_artifacts(champion.run_id, source.partition(champion.run_id)[2][1:]))
        assert kept.seed == seed
    unknown = DESCRIPTION.model_copy(update={"study": "other", "trial": 0})
    with pytest.raises(NotFoundError, match="MLflow knows trial 0 of study other"):
        Policy(unknown, tensors()).register(store.uri)
    with pytest.raises(ValueError, match="must say where MLflow is"):
        first.register()
