"""The saved offset: it counts only where the spool and MLflow are still those that it was saved for."""

import pytest

from sweeps.tracking.shipped import SavedOffset


@pytest.fixture
def saved(tmp_path):
    saved = SavedOffset(tmp_path, "http://ann:canary@mlflow.example", "history-1")
    saved.save(100)
    return saved


def test_comes_back_while_the_spool_still_has_it(saved):
    assert [saved.load(size) for size in (100, 101)] == [100, 100]


def test_a_spool_that_lost_lines_starts_again(saved):
    assert saved.load(99) == 0


def test_another_history_or_another_mlflow_starts_again(saved, tmp_path):
    assert SavedOffset(tmp_path, "http://ann:canary@mlflow.example", "history-2").load(100) == 0
    assert SavedOffset(tmp_path, "http://elsewhere.example", "history-1").load(100) == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"offset": "x"}', '{"offset": -1}', "3"])
def test_a_damaged_file_starts_again(saved, text):
    saved.path.write_text(text)
    assert saved.load(100) == 0


def test_none_starts_at_the_start(tmp_path):
    assert SavedOffset(tmp_path, "sqlite:///x", "h").load(100) == 0


def test_the_password_is_not_in_it(saved):
    assert "canary" not in saved.path.read_text()


def test_a_folder_that_takes_no_file_keeps_the_old_offset(saved):
    saved.path.with_suffix(".tmp").mkdir()  # the new file cannot be written
    saved.save(200)
    assert saved.load(500) == 100
