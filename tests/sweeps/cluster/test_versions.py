import pytest

from sweeps.cluster.versions import check_versions, own_versions
from sweeps.errors import ExitCode, SweepError


def test_equal_versions_pass_and_different_ones_are_named_with_both_sides() -> None:
    here = own_versions()
    assert here.keys() == {"ray", "python", "lagsweep"}
    check_versions(here, "http://head:8265")
    check_versions({"ray": here["ray"]}, "http://head:8265")

    there = {**here, "python": "3.9", "lagsweep": "0.0.1"}
    with pytest.raises(SweepError) as refused:
        check_versions(there, "http://head:8265")
    assert refused.value.exit_code is ExitCode.USAGE
    assert f"http://head:8265 has other ones: python {here['python']} here and 3.9 there, " in refused.value.message
    assert f"lagsweep {here['lagsweep']} here and 0.0.1 there" in refused.value.message
    assert "ray" not in refused.value.message
