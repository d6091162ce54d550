"""Changes to the network section one by one: what each does, what it leaves alone, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from google.protobuf import json_format
from openshell._proto import openshell_pb2, sandbox_pb2

from pyopenshell.errors import UsageError
from pyopenshell.gateway.policy_merge import merged

API: dict[str, Any] = {
    "host": "api.example.com",
    "port": 443,
    "protocol": "rest",
    "rules": [{"allow": {"method": "GET", "path": "/a"}}],
}
RAW = {"host": "raw.example.com", "ports": [80, 8080, 443]}
CURL = {"path": "/usr/bin/curl"}
BASE = {
    "version": 1,
    "filesystem": {"read_only": ["/opt"]},
    "network_policies": {"api": {"endpoints": [API], "binaries": [CURL]}, "raw": {"endpoints": [RAW, API]}},
}
POST = {"allow": {"method": "POST", "path": "/b"}}


def policy(fields=BASE):
    return json_format.ParseDict(fields, sandbox_pb2.SandboxPolicy())


def after(*operations, base=BASE):
    """The network section after operations, as JSON, beside the endpoints it then has."""
    asked = [json_format.ParseDict(operation, openshell_pb2.PolicyMergeOperation()) for operation in operations]
    before = policy(base)
    result = merged(before, asked)
    assert policy(base) == before
    assert policy(base).filesystem == result.filesystem
    return json_format.MessageToDict(result, preserving_proto_field_name=True).get("network_policies", {})


def test_a_rule_is_added():
    """Under the name that is given, or its own."""
    rule = {"name": "git", "endpoints": [API], "binaries": [CURL]}
    assert rule == after({"add_rule": {"rule_name": "new", "rule": rule}})["new"]
    assert rule == after({"add_rule": {"rule": rule}})["git"]


def test_a_rule_gets_what_it_lacks():
    """Of a rule with this name, what is there stays as it is; and asking twice is asking once."""
    more = {"add_rule": {"rule_name": "api", "rule": {"endpoints": [API, RAW], "binaries": [CURL, {"path": "/b"}]}}}
    expected = {"endpoints": [API, RAW], "binaries": [CURL, {"path": "/b"}]}
    assert expected == after(more)["api"]
    assert after(more) == after(more, more)


def test_an_endpoint_is_not_changed_by_adding_another():
    """What treats the same destination otherwise is refused: which of both is meant, only the client knows."""
    with pytest.raises(UsageError, match=r"merge_operations\[0\].add_rule: .*api.example.com:443 otherwise"):
        after({"add_rule": {"rule_name": "api", "rule": {"endpoints": [{**API, "enforcement": 1}]}}})


def test_rules_and_binaries_are_removed():
    """A rule goes whole; one without its last binary stays, and applies to nothing."""
    assert {"raw"} == after({"remove_rule": {"rule_name": "api"}}).keys()
    assert "binaries" not in after({"remove_binary": {"rule_name": "api", "binary_path": CURL["path"]}})["api"]


def test_an_endpoint_is_removed_port_by_port():
    """From one rule or from all; the last port takes the endpoint along, the last endpoint the rule."""
    host = {"host": "RAW.example.com"}
    one = {"remove_endpoint": {**host, "rule_name": "raw", "port": 80}}
    two = {"remove_endpoint": {**host, "port": 8080}}
    assert [8080, 443] == after(one)["raw"]["endpoints"][0]["ports"]
    assert {"host": "raw.example.com", "port": 443} == after(one, two)["raw"]["endpoints"][0]
    gone = {"remove_endpoint": {"host": "api.example.com", "port": 443}}
    assert {"raw": {"endpoints": [RAW]}} == after(gone)


def test_allowed_and_denied_requests():
    """They are added where the target says, once."""
    target = {"host": "api.example.com", "ports": [443], "rule_name": "api"}
    allow = {"add_allow_rules": {"target": target, "rules": [POST, API["rules"][0]]}}
    deny = {"add_deny_rules": {"target": {**target, "rule_name": ""}, "deny_rules": [POST["allow"]]}}
    result = after(allow, deny, allow, deny)
    assert [*API["rules"], POST] == result["api"]["endpoints"][0]["rules"]
    assert API["rules"] == result["raw"]["endpoints"][1]["rules"]
    assert [[POST["allow"]]] * 2 == [
        result["api"]["endpoints"][0]["deny_rules"],
        result["raw"]["endpoints"][1]["deny_rules"],
    ]
    assert "deny_rules" not in result["raw"]["endpoints"][0]


def test_a_target_may_name_binaries():
    """Then only rules for all of them are meant."""
    target = {"host": "api.example.com", "binaries": [CURL]}
    result = after({"add_deny_rules": {"target": target, "deny_rules": [POST["allow"]]}})
    assert [True, False] == [
        "deny_rules" in result["api"]["endpoints"][0],
        "deny_rules" in result["raw"]["endpoints"][1],
    ]


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({}, r"merge_operations\[0\] says nothing"),
        ({"add_rule": {"rule": {}}}, "has no name"),
        ({"remove_rule": {"rule_name": "x"}}, "no rule 'x'"),
        ({"remove_endpoint": {"rule_name": "x", "host": "a", "port": 1}}, "no rule 'x'"),
        ({"remove_endpoint": {"host": "a", "port": 1}}, "no rule has an endpoint a:1"),
        ({"remove_endpoint": {"rule_name": "raw", "host": "raw.example.com", "port": 1}}, "has no endpoint"),
        ({"remove_binary": {"rule_name": "api", "binary_path": "/x"}}, "no binary '/x'"),
        ({"add_deny_rules": {"target": {"host": "a"}}}, "no endpoint a:any port"),
        ({"add_allow_rules": {"target": {"host": "api.example.com", "path": "/x"}}}, "no endpoint"),
        ({"add_allow_rules": {"target": {"host": "api.example.com", "ports": [1]}}}, "no endpoint"),
    ],
)
def test_what_is_not_there_is_said(operation, words):
    """Nothing is changed where what is to be changed cannot be found: a typing mistake would pass for a change."""
    with pytest.raises(UsageError, match=words):
        after(operation)
