"""Checkpoints on an object store: a real S3 interface on this machine."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSystem

from sweeps.records import ResultRow
from sweeps.running.checkpoint_place import join, place_of
from sweeps.running.checkpoints import CheckpointStore, trial_folder


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def url(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = f"scheme=http&region=us-east-1&endpoint_override={endpoint}&allow_bucket_creation=true"
    bucket = f"s3://study-{abs(hash(request.node.name))}"
    system, root = FileSystem.from_uri(f"{bucket}?{options}")
    system.create_dir(root)
    return f"{bucket}/checkpoints?{options}"


@pytest.fixture
def store(url: str) -> CheckpointStore:
    return CheckpointStore(trial_folder(url, 7), seeds=[0])


def rows(iteration: int) -> list[ResultRow]:
    return [ResultRow(trial=7, seed=0, iteration=iteration, env_steps=iteration, time=1.5, attempt=1, metrics={})]


def write(content: str) -> Callable[[Path], None]:
    def write_state(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "state.pkl").write_text(content)

    return write_state


def content_of(store: CheckpointStore) -> str | None:
    checkpoint = store.load()
    content = None if checkpoint is None else (checkpoint.algorithm / "inner" / "state.pkl").read_text()
    store.release()
    return content


def test_comes_back_as_local_files_until_it_is_released(store: CheckpointStore, url: str) -> None:
    assert store.newest() is None
    assert store.load() is None

    location = store.save(1, rows(12), write("twelve"))

    assert location == join(url, "t0007", "a1-i000012")
    assert location.startswith("s3://")
    checkpoint = store.load()
    assert checkpoint is not None
    assert (checkpoint.location, checkpoint.iteration, checkpoint.rows) == (location, 12, tuple(rows(12)))
    assert (checkpoint.algorithm / "inner" / "state.pkl").read_text() == "twelve"
    store.release()
    assert not checkpoint.path.exists()


def test_keeps_the_two_newest_of_its_seeds(store: CheckpointStore, url: str) -> None:
    other = CheckpointStore(trial_folder(url, 7), seeds=[5])
    kept = other.save(1, rows(1), write("other"))
    for attempt, iteration in [(1, 9), (1, 10), (2, 8), (10, 7)]:
        store.save(attempt, rows(iteration), write(f"{attempt}-{iteration}"))

    assert store._names() == ["a10-i000007", "a2-i000008"]
    assert content_of(store) == "10-7"
    assert other.newest() == kept


@pytest.mark.parametrize("damage", ["flipped", "missing", "torn manifest"])
def test_a_damaged_newest_falls_back_to_the_one_before(
    store: CheckpointStore, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.save(1, rows(1), write("one"))
    system, path = FileSystem.from_uri(store.save(1, rows(2), write("two")))
    if damage == "missing":
        system.delete_file(f"{path}/algorithm/inner/state.pkl")
    else:
        name = "algorithm/inner/state.pkl" if damage == "flipped" else "manifest.json"
        with system.open_output_stream(f"{path}/{name}") as stream:
            stream.write(b"tvo")

    with caplog.at_level(logging.WARNING):
        assert content_of(store) == "one"

    assert "is damaged" in caplog.text
    assert store._names() == ["a1-i000001"]
    assert content_of(store) == "one"  # what was set aside stays there and is not looked at again


def test_what_was_never_finished_is_no_checkpoint(store: CheckpointStore) -> None:
    system, path = FileSystem.from_uri(store.save(1, rows(1), write("one")))
    half_written = path.replace("i000001", "i000002")
    with system.open_output_stream(f"{half_written}/rows.json") as stream:
        stream.write(b"[]")  # killed before the manifest, which is written last

    assert content_of(store) == "one"
    assert store._place.names() == ["a1-i000001"]


def test_all_of_a_study_is_removed(store: CheckpointStore, url: str) -> None:
    store.save(1, rows(1), write("one"))

    place_of(url).clear()

    assert store.newest() is None
