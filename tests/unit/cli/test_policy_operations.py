"""The flags of ``policy update`` as operations, and lines of logs."""

from __future__ import annotations

import pytest
import yaml
from openshell._proto import openshell_pb2

from pyopenshell.cli import logs_line, policy_operations
from pyopenshell.cli.parser import build
from pyopenshell.errors import UsageError


def read(*argv):
    """Return the operations of a command line, as plain data."""
    return policy_operations.shape(policy_operations.read(build().parse_args(["policy", "update", "demo", *argv])))


def test_an_endpoint_is_added():
    """Host, port, access, protocol and enforcement, and who may use it; the rule is named after it."""
    rule = {
        "name": "api_github_com_443",
        "endpoints": [
            {
                "host": "api.github.com",
                "port": 443,
                "access": "NETWORK_ACCESS_PRESET_READ_ONLY",
                "protocol": "rest",
                "enforcement": "NETWORK_ENFORCEMENT_MODE_AUDIT",
            }
        ],
        "binaries": [{"path": "/usr/bin/curl"}],
    }
    assert [{"add_rule": {"rule_name": "api_github_com_443", "rule": rule}}] == read(
        "--add-endpoint", "api.github.com:443:read-only:rest:audit", "--binary", "/usr/bin/curl"
    )


def test_requests_and_removals():
    """Removals come first; requests name their endpoint; a path may have colons."""
    found = read(
        *("--add-deny", "a.io:443:delete:/x:y", "--add-allow", "a.io:443:GET:/", "--rule-name", "r"),
        *("--remove-endpoint", "b.io:80", "--remove-rule", "old"),
    )
    target = {"rule_name": "r", "host": "a.io", "ports": [443]}
    assert [
        {"remove_rule": {"rule_name": "old"}},
        {"remove_endpoint": {"rule_name": "r", "host": "b.io", "port": 80}},
        {"add_allow_rules": {"target": target, "rules": [{"allow": {"method": "GET", "path": "/"}}]}},
        {"add_deny_rules": {"target": target, "deny_rules": [{"method": "DELETE", "path": "/x:y"}]}},
    ] == found


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "nothing is to be changed"),
        (["--binary", "/bin/sh"], "nothing is added"),
        (["--add-endpoint", "host"], "HOST:PORT"),
        (["--add-endpoint", "host:0"], "HOST:PORT"),
        (["--add-endpoint", "host:70000"], "HOST:PORT"),
        (["--add-endpoint", "host:1:some"], "'some' is not known"),
        (["--add-endpoint", "host:1:full:rest:enforce:more"], "ENFORCEMENT"),
        (["--add-allow", "host:1:GET"], "METHOD:PATH"),
        (["--add-deny", "host:1:GET:x"], "METHOD:PATH"),
        (["--remove-endpoint", ":1"], "HOST:PORT"),
    ],
)
def test_wrong_flags(argv, message):
    """Each is refused with its form."""
    with pytest.raises(UsageError) as caught:
        read(*argv)
    assert message in caught.value.message


def test_a_dry_run_sends_nothing(capsys, monkeypatch, tmp_path):
    """It prints what would be sent, without a gateway that answers."""
    from pyopenshell.__main__ import main
    from pyopenshell.gateway import configuration

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    configuration.add("far", "http://127.0.0.1:1")
    assert 0 == main(["-g", "far", "policy", "update", "demo", "--remove-rule", "old", "--dry-run"])
    assert [{"remove_rule": {"rule_name": "old"}}] == yaml.safe_load(capsys.readouterr().out)


SHORT = "2026-01-31T12:00:00.500Z OCSF CONFIG:ADDED [HIGH] …"
EVENT = '{"time": 1769860800500, "severity_id": 4}'


@pytest.mark.parametrize("line", [SHORT, EVENT])
@pytest.mark.parametrize(
    ("since", "level", "expected"),
    [(0, 0, True), (1769860800.4, 4, True), (1769860801.0, 0, False), (0, 5, False), (1769860800.5, 1, True)],
)
def test_lines_that_are_wanted(line, since, level, expected):
    """Shorthand and OCSF are judged alike, by time and severity."""
    assert expected == logs_line.Wanted(since, level).takes(line)


@pytest.mark.parametrize("line", ["half a l", "{", '{"time": "x"}', "2026-13-45T99:00:00Z OCSF A:B [INFO] x"])
def test_lines_that_cannot_be_read_are_shown(line):
    """Nothing that is damaged is hidden."""
    assert logs_line.Wanted(1e12, 0).takes(line)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("OCSF A:B [INFO] x", "2026-01-31T12:00:00.500Z OCSF A:B [INFO] x"),
        ("sandbox demo is ready", "2026-01-31T12:00:00.500Z gateway INFO sandbox demo is ready"),
        (SHORT, SHORT),
    ],
)
def test_lines_of_a_gateway(message, expected):
    """They look as those of a record."""
    line = openshell_pb2.SandboxLogLine(level="INFO", source="gateway", message=message)
    line.event_time.seconds, line.event_time.nanos = 1769860800, 500_000_000
    assert expected == logs_line.shown(line, "table")
