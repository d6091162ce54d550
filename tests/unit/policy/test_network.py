"""The network section: every key, what fits together, and endpoints that contradict each other."""

from __future__ import annotations

import pytest

from pyopenshell.errors import PolicyError
from pyopenshell.policy import load
from pyopenshell.policy.network import hosts, patterns
from tests.unit.policy import network_cases as cases


def policy(*endpoints: str, binaries: str = "[]", name: str = "a") -> bytes:
    """A policy with one entry of these endpoints, one a line from line 6 on."""
    lines = "".join(f"      - {{{endpoint}}}\n" for endpoint in endpoints)
    return f"version: 1\nnetwork_policies:\n  {name}:\n    binaries: {binaries}\n    endpoints:\n{lines}".encode()


def told(data: bytes) -> list[str]:
    """Message and hint of each mistake."""
    with pytest.raises(PolicyError) as caught:
        load.parse(data)
    return [f"{problem.message} {problem.hint or ''}" for problem in caught.value.problems]


def assert_told(expected: list[str], found: list[str]) -> None:
    """Each expected fragment is in the mistake at its place; there are no others."""
    assert len(expected) == len(found), found
    for want, have in zip(expected, found, strict=True):
        assert want in have


@pytest.mark.parametrize("host", cases.GOOD_HOSTS)
def test_hosts(host):
    """Names, addresses and patterns that endpoints may have."""
    assert f"{host}:443" == load.parse(policy(f"host: '{host}', port: 443")).network[0].endpoints[0].label


@pytest.mark.parametrize(("host", "fragment"), cases.BAD_HOSTS, ids=[row[0][:30] for row in cases.BAD_HOSTS])
def test_not_hosts(host, fragment):
    """What is no host, covers too much, or would be read as an address, with what to write instead."""
    assert_told([fragment], told(policy(f"host: '{host}', port: 443")))


@pytest.mark.parametrize("network", cases.GOOD_NETWORKS)
def test_networks(network):
    """Addresses and networks that a host may be confined to."""
    assert load.parse(policy(f"allowed_ips: ['{network}'], port: 443")).network


@pytest.mark.parametrize(("network", "fragment"), cases.BAD_NETWORKS)
def test_not_networks(network, fragment):
    """What is no network, and networks that hold addresses no rule can allow."""
    assert_told([fragment], told(policy(f"allowed_ips: ['{network}'], port: 443")))


@pytest.mark.parametrize("keys", cases.GOOD_ENDPOINTS)
def test_endpoints(keys):
    """Every key of an endpoint, in combinations that mean something."""
    assert load.parse(policy(f"host: a.example.com, port: 443, {keys}")).network


@pytest.mark.parametrize(("keys", "expected"), cases.BAD_ENDPOINTS, ids=[row[0] for row in cases.BAD_ENDPOINTS])
def test_endpoint_mistakes(keys, expected):
    """What an endpoint lacks, and keys that exclude each other or mean nothing."""
    assert_told(expected, told(policy(keys)))


@pytest.mark.parametrize(
    ("protocol", "rule", "expected"), cases.BAD_RULES, ids=[f"{row[0]} {row[1]}" for row in cases.BAD_RULES]
)
def test_rule_mistakes(protocol, rule, expected):
    """Rules that their protocol does not have; denials are held to the same."""
    allow = f"host: a.b, port: 1, protocol: {protocol}, rules: [{{allow: {rule}}}]"
    found = told(policy(allow))
    assert_told(expected, found)
    assert found[0].startswith("network_policies.a.endpoints[0].rules[0].allow")
    good = {"json-rpc": "{method: a}", "mcp": "{method: a}", "graphql": "{operation_type: query}"}
    base = good.get(protocol, "{method: GET, path: /}")
    if not rule.startswith("{"):
        return
    denied = told(policy(f"host: a.b, port: 1, protocol: {protocol}, rules: [{{allow: {base}}}], deny_rules: [{rule}]"))
    assert_told(expected, denied)


def test_rule_without_allow():
    """An entry of rules has an allow around it, and one of deny_rules has not."""
    assert_told(
        ["rules[0]: 'allow' is missing", "rules[0].method: unknown key"],
        told(policy("host: a.b, port: 1, protocol: json-rpc, rules: [{method: a}]")),
    )
    found = told(policy("host: a.b, port: 1, protocol: graphql, access: full, deny_rules: [{allow: {}}]"))
    assert_told(["deny_rules[0]: 'operation_type' is missing", "deny_rules[0].allow: unknown key"], found)


def test_rule_for_all_tools_beside_single_ones():
    """A rule for every tool would make those for single tools meaningless."""
    rules = "rules: [{allow: {method: tools/call, tool: a}}, {allow: {method: 'tools/*'}}]"
    assert_told(
        ["rules[1].allow.method: covers every tool"], told(policy(f"host: a.b, port: 1, protocol: mcp, {rules}"))
    )
    denied = "rules: [{allow: {method: tools/call, tool: a}}], deny_rules: [{method: tools/call}]"
    assert_told(
        ["deny_rules[0].method: covers every tool"], told(policy(f"host: a.b, port: 1, protocol: mcp, {denied}"))
    )


def test_tool_patterns_need_strict_names():
    """Without strict names a tool's name could hold anything, and a pattern would mean more than it seems to."""
    keys = "protocol: mcp, mcp: {strict_tool_names: false}, rules: [{allow: {method: tools/call, tool: 'a*'}}]"
    assert_told(["tool: patterns for tools need strict tool names"], told(policy(f"host: a.b, port: 1, {keys}")))


@pytest.mark.parametrize(
    ("binaries", "fragment"),
    [
        ("[{path: curl}]", "binaries[0].path: expected the absolute path of a program, found 'curl'"),
        ("[{path: /usr/../bin/curl}]", "'..' is not allowed"),
        ("[/usr/bin/curl]", "expected a mapping such as {path: /usr/bin/curl}, found the text"),
        ("[{}]", "'path' is missing"),
        ("/usr/bin/curl", "expected a list such as"),
    ],
)
def test_binaries(binaries, fragment):
    """Programs are named by their absolute path, in a mapping."""
    assert fragment in told(policy("host: a.b, port: 1", binaries=binaries))[0]


def test_names():
    """An entry has a name of its own choice, but for the reserved ones."""
    assert_told(["the name is reserved"], told(policy("host: a.b, port: 1", name="_provider_x")))
    assert_told(["the name is empty"], told(policy("host: a.b, port: 1", name="''")))


def test_entry_without_value():
    """An entry is a mapping."""
    assert_told(
        ["network_policies.a: expected a mapping, found nothing"], told(b"version: 1\nnetwork_policies:\n  a:\n")
    )


CONFLICTS = [
    ("host: a.b, port: 1", "host: a.b, port: 1, tls: skip", "tls"),
    ("host: a.b, port: 1", "host: A.B, ports: [2, 1], allowed_ips: [10.0.0.0/8]", "allowed_ips"),
    ("host: '*.b.c', port: 1", "host: a.b.c, port: 1, tls: skip", "tls"),
    (
        "host: a.b, port: 1, protocol: rest, access: full",
        "host: a.b, port: 1, protocol: websocket, access: full",
        "protocol",
    ),
    (
        "host: a.b, port: 1, protocol: rest, access: full",
        "host: a.b, port: 1, protocol: rest, access: full, enforcement: enforce",
        "enforcement",
    ),
    (
        "host: a.b, port: 1, protocol: rest, access: full, path: /v1/**",
        "host: a.b, port: 1, protocol: graphql, access: full, path: /v1/graphql",
        "protocol",
    ),
]


@pytest.mark.parametrize(("first", "second", "names"), CONFLICTS)
def test_conflicts(first, second, names):
    """Endpoints that can match the same traffic must treat it the same; the later one is told, and the other named."""
    assert_told([f"the endpoint on line 6, but differs in {names}"], told(policy(first, second)))


AGREEMENTS = [
    ("host: a.b, port: 1", "host: a.b, port: 2, tls: skip"),
    ("host: a.b, port: 1", "host: b.b, port: 1, tls: skip"),
    ("host: '*.b.c', port: 1", "host: b.c, port: 1, tls: skip"),
    ("host: a.b, port: 1, tls: terminate", "host: a.b, port: 1"),
    ("host: a.b, port: 1", "host: a.b, port: 1, protocol: rest, access: full"),
    ("host: a.b, port: 1, allowed_ips: [10.0.0.1, 10.0.0.2]", "host: a.b, port: 1, allowed_ips: [10.0.0.2, 10.0.0.1]"),
    (
        "host: a.b, port: 1, protocol: rest, access: full, enforcement: audit",
        "host: a.b, port: 1, protocol: rest, access: read-only",
    ),
    (
        "host: a.b, port: 1, protocol: rest, access: full, path: /v1/**",
        "host: a.b, port: 1, protocol: graphql, access: full, path: /graphql",
    ),
]


@pytest.mark.parametrize(("first", "second"), AGREEMENTS)
def test_no_conflict(first, second):
    """Endpoints that differ in what they match, or agree, stand beside each other."""
    assert 2 == len(load.parse(policy(first, second)).network[0].endpoints)


def test_conflicts_across_entries():
    """Which entry an endpoint stands in does not matter."""
    entries = "a: {endpoints: [{host: a.b, port: 1}]}, b: {endpoints: [{host: a.b, port: 1, tls: skip}]}"
    assert_told(
        ["network_policies.b.endpoints[0]: can match"], told(f"version: 1\nnetwork_policies: {{{entries}}}\n".encode())
    )


def test_too_many_endpoints():
    """512 endpoints are compared with each other; more are not taken."""
    assert_told(["513 endpoints are declared; at most 512"], told(policy(*["host: a.b, port: 1"] * 513)))


OVERLAPS = [
    ("a.b.c", "a.b.c", True),
    ("a.b.c", "A.B.C", True),
    ("a.b.c", "b.c", False),
    ("*.b.c", "a.b.c", True),
    ("*.b.c", "x.a.b.c", False),
    ("**.b.c", "x.a.b.c", True),
    ("**.b.c", "b.c", False),
    ("**.b.c", "*.a.b.c", True),
    ("**.b.c", "**.a.b.c", True),
    ("**.b.c", "**.b.d", False),
    ("a*.b.c", "*z.b.c", True),
    ("a*.b.c", "b*.b.c", False),
    ("*-x.b.c", "*-y.b.c", False),
    ("a*c.b.c", "abc.b.c", True),
    ("a*c.b.c", "ac.b.c", True),
    ("a*a.b.c", "a.b.c", False),
    ("a*b*c.b.c", "axbxc.b.c", True),
    ("a*b*c.b.c", "axc.b.c", False),
    ("a.*.b.c", "a.x.b.c", True),
    ("a.*.b.c", "*.x.b.c", True),
]


@pytest.mark.parametrize(("left", "right", "expected"), OVERLAPS)
def test_host_overlap(left, right, expected):
    """Whether two host patterns can match one name, either way round."""
    assert (expected, expected) == (hosts.overlap(left, right), hosts.overlap(right, left))


PATHS = [
    ("", "/a", True),
    ("/**", "/a/*", True),
    ("/a/**", "/a/b/c", True),
    ("/a/**", "/a", True),
    ("/a/**", "/ab", False),
    ("/a/**", "/b/**", False),
    ("/a/*", "/a/*", True),
    ("/a", "/b", False),
]


@pytest.mark.parametrize(("left", "right", "expected"), PATHS)
def test_path_overlap(left, right, expected):
    """Whether two endpoint paths surely select a common request, either way round."""
    assert (expected, expected) == (patterns.paths_overlap(left, right), patterns.paths_overlap(right, left))
