"""What is locked: from the registry, with hashes, and above versions with known weaknesses.

Whether newer weaknesses are known, only an advisory service can say: `make audit` asks it.
"""

import tomllib
from pathlib import Path

import pytest
from packaging.version import Version

LOCK = tomllib.loads((Path(__file__).parents[2] / "uv.lock").read_text())["package"]

FLOORS = {
    "ray": "2.54",  # CVE-2026-27482: a web page could delete jobs; CVE-2025-62593, CVE-2023-48022 before it
    "mlflow": "3.11",  # CVE-2026-4137, CVE-2026-2652 (routes without login), CVE-2026-2614, CVE-2025-11201
    "torch": "2.10",  # CVE-2026-24747: `weights_only` ran code; CVE-2025-32434 before it
}


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_is_above_versions_with_known_weaknesses(name, floor):
    found = [Version(package["version"]) for package in LOCK if package["name"] == name]
    assert found
    assert all(version >= Version(floor) for version in found)


def test_every_package_comes_from_a_registry_with_hashes():
    others = [package for package in LOCK if package["source"] != {"editable": "."}]
    assert len(others) > 150
    for package in others:
        assert set(package["source"]) == {"registry"}, package["name"]
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]
