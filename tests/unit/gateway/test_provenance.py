"""The summary of what is in force besides what was declared, for clients that show ``provenance``."""

from __future__ import annotations

from pyopenshell.gateway.provenance import LONGEST, summary

KEYS = {"effective-digest", "identity", "declared", "baseline", "runtime-additions", "network", "findings"}


def grant(kind, name, path="/x", status="enforced", mechanism="landlock"):
    return {
        "path": path,
        "access": ["write_file"],
        "origin": {"kind": kind, "name": name},
        "status": status,
        "mechanism": mechanism,
    }


def effective(**changes):
    """What of an effective policy is read."""
    return {
        "digest": "d" * 64,
        "identity": {"uid": 7, "gid": 8, "source": "policy"},
        "grants": [],
        "runtime_additions": [],
        "network": {"mode": "none", "mechanism": "namespace", "entries": []},
        "findings": [],
    } | changes


def told(**changes):
    return {key.removeprefix("pyopenshell/"): text for key, text in summary(effective(**changes)).items()}


def test_nothing_added():
    """Every key is there, so that a client sees that there is nothing, and need not guess."""
    found = told()
    assert KEYS == found.keys()
    assert ("None.", "None.", "No declared path.") == (
        found["runtime-additions"],
        found["findings"],
        found["declared"],
    )
    assert "Programs run as uid 7 and gid 8 (policy)." == found["identity"]
    assert "Mode none, by namespace." == found["network"]


def test_what_was_added():
    """By whom, how many, and what became of it; additions of the runtime one by one."""
    name = grant("runtime", "cuda-thread-names", "/proc/<pid>/comm", mechanism="broker")
    grants = [
        grant("declared", "read_only", status="skipped"),
        *[grant("baseline", "gpu")] * 2,
        grant("workdir", "x"),
        name,
    ]
    found = told(grants=grants, runtime_additions=[name], devices={"given": [{"name": "nvidia.com/gpu=0"}]})
    assert "1 declared path: 1 skipped." == found["declared"]
    assert "Granted besides what is declared: 2 by baseline/gpu, 1 by workdir." == found["baseline"]
    expected = "write_file on /proc/<pid>/comm by runtime/cuda-thread-names, broker, enforced"
    assert f"Added by the runtime: {expected}." == found["runtime-additions"]
    assert "Given: nvidia.com/gpu=0." == found["devices"]


def test_what_was_not_granted():
    """Endpoints that stay denied are named; findings by severity, the worst first."""
    entries = [
        {"name": "api", "endpoint": "a:1", "status": "skipped"},
        {"name": "b", "endpoint": "", "status": "skipped"},
    ]
    findings = [{"severity": "Low", "code": "l"}, {"severity": "High", "code": "h"}, {"severity": "Low", "code": "l"}]
    network = {"mode": "none", "mechanism": "namespace", "entries": entries}
    found = told(network=network, findings=findings)
    assert "Mode none, by namespace; declared and not granted: a:1, b." == found["network"]
    assert "1 High, 2 Low: h, l." == found["findings"]


def test_it_is_bounded():
    """However much there is: a client shows it in a table."""
    many = [grant("runtime", "x" * 100, "/" + "y" * 4000)] * 300
    entries = [{"name": "n", "endpoint": "e" * 200, "status": "skipped"}] * 300
    network = {"mode": "none", "mechanism": "namespace", "entries": entries}
    found = told(grants=many, runtime_additions=many, network=network)
    assert all(len(text) <= LONGEST for text in found.values())
    assert (
        "and 295 more."
        == told(network={**network, "entries": [{**one, "endpoint": "e"} for one in entries]})["network"][-13:]
    )
