"""The study that nothing happened to."""

import pytest

from sweeps.study import Study, create_study
from tests.end_to_end.drivers import SPEC, finish


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = create_study(SPEC, tmp_path_factory.mktemp("undisturbed"))
    finish(study)
    return study
