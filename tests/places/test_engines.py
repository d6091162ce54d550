"""A sandbox in a container: never silently less than its report says, and what each engine's defaults leave of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.places.places import CONTAINERS, FILTERS, SIMULATED, measured, simulated

pytestmark = pytest.mark.slow

ALL = {"pid", "mount", "ipc", "user"}
"""What stays open where no namespace can be made; the network is filtered then."""
WITHOUT = {
    "docker-20-user": ALL,
    "docker-privileged": {"user"},
    "docker-root": ALL,
    "docker-root-namespaces": {"user"},
    "docker-user": ALL,
    "docker-user-unconfined": set(),
    "podman-apparmor-user": {"pid", "mount"},
    "podman-privileged": {"user"},
    "podman-root": ALL,
    "podman-root-namespaces": {"user"},
    "podman-user": {"pid"},
    "podman-user-unmasked": set(),
    "restricted-userns-user": ALL,
}
"""The kinds of namespaces that cannot be had in each place."""
SCOPES_FROM, SOCKETS_FROM = 6, 9
"""The ABIs from which Landlock itself keeps signals and abstract sockets apart, and sockets with a path."""


@cache
def _measured(engine: str) -> dict[str, dict[str, Any]]:
    told = simulated() if engine == SIMULATED else measured(engine)
    return {place["name"]: place for place in told}


@pytest.fixture(params=(*CONTAINERS, *FILTERS), ids=lambda place: place.name)
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One place, measured."""
    found = _measured(request.param.engine)[request.param.name]
    if found["missing"]:
        pytest.skip(found["missing"])
    return found


def test_confined(place):
    """A sandbox comes about, Landlock handles all that its ABI has, and a probe inside finds what the report says."""
    result = place["result"]
    assert (None, True) == (result["error"], result["sandbox"]["verified"])
    handled = result["sandbox"]["landlock"]["handled"]
    assert {"execute", "read_file", "write_file", "make_reg"} <= set(handled)
    assert result["kernel"]["abi"] == result["sandbox"]["landlock"]["abi"] > 0


def test_open_kinds(place):
    """Just the expected kinds are open, and the report has a finding about each."""
    sandbox, abi = place["result"]["sandbox"], place["result"]["kernel"]["abi"]
    expected = set(WITHOUT[place["name"]])
    if "mount" in expected and abi < SOCKETS_FROM:
        expected.add("pathname_sockets")
    if "pid" in expected and abi < SCOPES_FROM:
        expected.add("signals")
    if sandbox["isolation"]["net"]["state"] == "filtered" and abi < SCOPES_FROM:
        expected.add("abstract_sockets")
    assert expected == {kind for kind, told in sandbox["isolation"].items() if told["state"] == "open"}
    codes = {f"isolation.{kind.replace('_', '-')}-open" for kind in expected}
    found = {finding["code"]: finding["severity"] for finding in sandbox["findings"]}
    assert codes == {code for code in found if code.startswith("isolation.")}
    assert {"Informational"} >= {found[code] for code in codes if code == "isolation.user-open"}
    assert {"Medium", "High"} >= {found[code] for code in codes - {"isolation.user-open"}}


def test_network(place):
    """No network without a grant: by a namespace, or by a filter where there is none."""
    sandbox = place["result"]["sandbox"]
    has_namespaces = place["result"]["kernel"]["namespaces"]["net"]
    expected = "private" if has_namespaces else "filtered"
    assert ("none", expected) == (sandbox["network"]["mode"], sandbox["isolation"]["net"]["state"])


def test_thread_names(place):
    """The broker serves, or a High finding says what takes its place; without tracing it cannot."""
    sandbox = place["result"]["sandbox"]
    wide = {"code": "cuda.thread-names.write-file", "severity": "High"} in sandbox["gpu_findings"]
    assert {"available": "broker", "unavailable": "landlock"}[sandbox["broker"]["state"]] == sandbox["broker"][
        "mechanism"
    ]
    assert (sandbox["broker"]["mechanism"] == "landlock") == wide
    engine = place["engine"]
    has_old_filter = engine and engine["name"] == "docker" and int(engine["version"].partition(".")[0]) < 23
    if place["name"] == "docker-20-user":
        assert wide
    elif not has_old_filter:
        assert not wide


def test_every_place():
    """The table above tells of each place."""
    assert {place.name for place in (*CONTAINERS, *FILTERS)} == set(WITHOUT)
