"""Policies of OpenShell's protocol: what goes there and back, what clients send, and what is refused in words."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("openshell", reason="needs: the extra gateway")

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from openshell._proto import sandbox_pb2

from pyopenshell.errors import PolicyError
from pyopenshell.gateway import policy_wire
from pyopenshell.policy.model import Policy

SAME = settings(derandomize=True, deadline=None, database=None, max_examples=60)

EVERYTHING = """\
version: 1
filesystem_policy: {include_workdir: true, read_only: [/opt, /srv/a], read_write: [/srv/out]}
landlock: {compatibility: hard_requirement}
process: {run_as_user: 1000, run_as_group: staff}
network_policies:
  api:
    name: the api
    endpoints:
      - host: api.example.com
        port: 443
        protocol: rest
        enforcement: enforce
        access: read-only
        deny_rules: [{method: DELETE, path: /v1/**, query: {a: x*, b: {any: [y, z]}}}]
        allow_encoded_slash: true
        credential_binding: {provider: acme}
      - {host: raw.example.com, ports: [80, 8080], tls: skip, allowed_ips: [10.0.0.0/8]}
      - host: mcp.example.com
        port: 443
        protocol: mcp
        rules: [{allow: {method: tools/call, tool: {any: [read, list]}}}]
        mcp: {versions: ["2025-11-25"], max_body_bytes: 5, strict_tool_names: false}
      - {host: rpc.a.b, port: 1, protocol: json-rpc, rules: [{allow: {method: a}}], json_rpc: {max_body_bytes: 7}}
      - host: gql.example.com
        port: 443
        protocol: graphql
        persisted_queries: allow_registered
        graphql_persisted_queries: {abc: {operation_type: query, fields: [me]}}
        graphql_max_body_bytes: 9
        rules: [{allow: {operation_type: query, operation_name: Me, fields: [me]}}]
      - {host: s3.example.com, port: 443, protocol: rest, access: full, credential_signing: sigv4, signing_service: s3}
    binaries: [{path: /usr/bin/curl}]
  nothing: {}
runtime: {cuda_thread_names: broker, kernel_log: "off", kernel_log_quiet: [/etc/shadow]}
"""
"""Every kind of key at least once."""


def sent(policy: Policy) -> Policy:
    """What arrives of a policy, after the message's bytes have travelled."""
    message = sandbox_pb2.SandboxPolicy.FromString(policy_wire.to_wire(policy).SerializeToString())
    return policy_wire.to_policy(message, policy_wire.runtime_annotation(policy))


def meaning(policy):
    """What a policy says, without where it stands."""
    plain = (
        [(entry.path) for entry in policy.filesystem.read_only],
        [(entry.path) for entry in policy.filesystem.read_write],
    )
    network = tuple(
        rule.replace(line=0, endpoints=tuple(endpoint.replace(line=0) for endpoint in rule.endpoints))
        for rule in sorted(policy.network, key=lambda rule: rule.key)
    )
    names = ("version", "compatibility", "process", "cuda_thread_names", "kernel_log", "kernel_log_quiet")
    return (plain, policy.filesystem.include_workdir, network, *(getattr(policy, name) for name in names))


def test_everything_goes_there_and_back():
    """No key of the schema is lost, whatever form the protocol has for it; and a second trip changes nothing."""
    policy = Policy.parse(EVERYTHING)
    once = sent(policy)
    assert meaning(policy) == meaning(once)
    expected = json.loads(json.dumps(policy.declared))
    rule = expected["network_policies"]["api"]["endpoints"][2]["rules"][0]["allow"]
    rule["params"] = {"name": rule.pop("tool")}  # the long form of the same
    expected["process"]["run_as_user"] = "1000"
    assert expected == once.declared
    assert once.source.text == sent(once).source.text
    assert policy_wire.digest(policy) == policy_wire.digest(once)


PATHS = st.lists(
    st.text("abé_. -#:'\"\\%&*!|>@`0", min_size=1, max_size=8).map("/x{}y".format), max_size=4, unique=True
)
HOSTS = st.from_regex(r"[a-z]{1,5}\.example\.com", fullmatch=True)
POLICIES = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "filesystem_policy": st.fixed_dictionaries(
            {},
            optional={
                "include_workdir": st.booleans(),
                "read_only": PATHS.map(lambda some: [f"/r{one}" for one in some]),
            },
        ),
        "landlock": st.fixed_dictionaries({"compatibility": st.sampled_from(["best_effort", "hard_requirement"])}),
        "process": st.fixed_dictionaries({}, optional={"run_as_user": st.sampled_from(["1000", "sandbox", "7"])}),
        "network_policies": st.dictionaries(
            st.text("abc: -", min_size=1, max_size=5),
            st.fixed_dictionaries(
                {},
                optional={
                    "name": st.text("no yes~", min_size=1, max_size=6),
                    "endpoints": st.lists(
                        st.fixed_dictionaries({"host": HOSTS, "port": st.integers(1, 65535)}), max_size=3
                    ),
                    "binaries": st.lists(st.fixed_dictionaries({"path": st.sampled_from(["/usr/bin/a", "/b/*"])})),
                },
            ),
            max_size=4,
        ),
        "runtime": st.fixed_dictionaries(
            {}, optional={"cuda_thread_names": st.sampled_from(["auto", "off"]), "kernel_log_quiet": PATHS}
        ),
    },
)


@SAME
@given(POLICIES)
def test_any_policy_goes_there_and_back(mapping):
    """Whatever is declared means the same when it arrives, and has the same hash."""
    policy = Policy.from_dict(mapping)
    once = sent(policy)
    assert meaning(policy) == meaning(once)
    assert policy_wire.digest(policy) == policy_wire.digest(once)
    assert once.source.text == sent(once).source.text


@SAME
@given(POLICIES, POLICIES)
def test_a_hash_stands_for_a_meaning(one, other):
    """Two policies have one hash if and only if they are the same message with the same runtime section."""
    first, second = Policy.from_dict(one), Policy.from_dict(other)
    same = policy_wire.to_wire(first) == policy_wire.to_wire(second)
    same &= policy_wire.runtime_annotation(first) == policy_wire.runtime_annotation(second)
    if not first.declared.keys() ^ second.declared.keys():
        assert same == (policy_wire.digest(first) == policy_wire.digest(second))


@SAME
@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_message_is_a_policy_or_a_mistake(data, runtime):
    """Whatever a client sends: a policy, or PolicyError without places in a file that the client never saw."""
    try:
        message = sandbox_pb2.SandboxPolicy.FromString(data)
    except Exception:  # no message: gRPC refuses it
        return
    lines: list[int | None] = [None]
    try:
        policy_wire.to_policy(message, {policy_wire.RUNTIME: runtime})
    except PolicyError as error:
        lines = [problem.line for problem in error.problems]
    assert {None} == set(lines)


def test_policies_that_clients_send():
    """openenv-openshell's way through JSON names, and what openshell-agent-runner declares."""
    sent_by_openenv = {
        "version": 1,
        "filesystem": {"read_only": ["/usr"], "read_write": ["/sandbox"]},
        "landlock": {"compatibility": "hard_requirement"},
        "network_policies": {
            "pypi": {
                "endpoints": [
                    {"host": "pypi.org", "port": 443, "access": "NETWORK_ACCESS_PRESET_READ_ONLY", "protocol": "rest"}
                ],
                "binaries": [{"path": "/usr/bin/python3"}],
            }
        },
    }
    policy = policy_wire.to_policy(json_format.ParseDict(sent_by_openenv, sandbox_pb2.SandboxPolicy()), {})
    assert ["pypi.org:443"] == [endpoint.label for rule in policy.network for endpoint in rule.endpoints]
    runner = {
        "version": 1,
        "filesystem": {"read_only": ["/usr", "/proc"], "read_write": ["/sandbox", "/tmp", "/dev/null"]},
        "process": {"run_as_user": "1000", "run_as_group": "1000"},
        "network_policies": {},
    }
    policy = policy_wire.to_policy(json_format.ParseDict(runner, sandbox_pb2.SandboxPolicy()), {})
    assert ["/usr", "/proc"] == [entry.path for entry in policy.filesystem.read_only]
    assert ("1000", "1000") == (policy.process.run_as_user, policy.process.run_as_group)


def test_no_policy_is_the_built_in_one():
    """Also where only its runtime section is given; and version 0, which is no version, means 1."""
    assert Policy.default() == policy_wire.requested(None, {})
    asked = policy_wire.requested(None, {policy_wire.RUNTIME: '{"cuda_thread_names":"off"}'})
    assert ("off", True) == (asked.cuda_thread_names, asked.filesystem.include_workdir)
    assert 1 == policy_wire.to_policy(sandbox_pb2.SandboxPolicy(), {}).version


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": 2}, "version"),
        ({"filesystem": {"read_only": ["usr"]}}, "filesystem_policy.read_only[0]"),
        ({"filesystem": {"read_write": ["/"]}}, "filesystem_policy.read_write[0]"),
        ({"landlock": {"compatibility": "lax"}}, "landlock.compatibility"),
        ({"process": {"run_as_user": "root"}}, "process.run_as_user"),
        ({"network_middlewares": {"m": {}}}, "network_middlewares: network middleware is not available"),
        ({"network_policies": {"a": {"endpoints": [{"port": 1}]}}}, "network_policies.a.endpoints[0]"),
        (
            {"network_policies": {"a": {"endpoints": [{"host": "a.b", "port": 1, "advisor_proposed": True}]}}},
            "unknown key",
        ),
        ({"network_policies": {"a": {"endpoints": [{"host": "a.b", "port": 1, "tls": 9}]}}}, "tls"),
        ({"network_policies": {"a": {"endpoints": [{"host": "a.b", "port": 1, "ports": [2, 3]}]}}}, "ports"),
        ({"network_policies": {"_provider_a": {}}}, "reserved"),
    ],
)
def test_what_is_refused(fields, words):
    """By the parser that reads policy files, in its words; what it has no key for is refused too, never dropped."""
    message = json_format.ParseDict(fields, sandbox_pb2.SandboxPolicy(version=1))
    with pytest.raises(PolicyError) as caught:
        policy_wire.to_policy(message, {})
    assert words in "\n".join(caught.value.lines())


def test_a_port_may_be_said_twice():
    """Clients set ``port`` beside ``ports``: that is the same port."""
    fields = {"version": 1, "network_policies": {"a": {"endpoints": [{"host": "a.b", "port": 1, "ports": [1]}]}}}
    policy = policy_wire.to_policy(json_format.ParseDict(fields, sandbox_pb2.SandboxPolicy()), {})
    assert [{"host": "a.b", "port": 1}] == policy.declared["network_policies"]["a"]["endpoints"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ("[" * 100_000, "no JSON"),
        ('{"kernel_log": "off", "kernel_log": "denials"}', "stands in it twice"),
        ('{"cuda_thread_names": NaN}', "NaN"),
        ('{"cuda_thread_names": "never"}', "runtime.cuda_thread_names"),
        ('{"cuda": 1}', "runtime.cuda"),
        ('"' + "x" * (1 << 17) + '"', "at most"),
    ],
)
def test_a_runtime_annotation_that_is_none(text, words):
    """A mistake in the annotation is told like one in a file."""
    with pytest.raises(PolicyError) as caught:
        policy_wire.to_policy(sandbox_pb2.SandboxPolicy(version=1), {policy_wire.RUNTIME: text})
    assert words in "\n".join(caught.value.lines())


def test_a_text_is_kept_as_it_was_written():
    """Comments, order and lines are the author's where the text says what the message does; else it is refused."""
    text = '# mine\nversion: 1\n\nruntime: {kernel_log: "off"}\nfilesystem_policy:\n  read_only: [/usr]  # programs\n'
    policy = Policy.parse(text)
    told = policy_wire.annotations_of(policy)
    kept = policy_wire.requested(policy_wire.to_wire(policy), told)
    assert (text, 6) == (kept.source.text, kept.filesystem.read_only[0].line)
    other = policy_wire.to_wire(Policy.parse("version: 1\nfilesystem_policy: {read_only: [/opt]}"))
    for message, sent in ((other, told), (None, told), (policy_wire.to_wire(policy), {policy_wire.TEXT: text})):
        with pytest.raises(PolicyError, match="says something else than the policy"):
            policy_wire.requested(message, sent)
    with pytest.raises(PolicyError) as caught:
        policy_wire.requested(other, {policy_wire.TEXT: "version: 1\nbogus: 1\n"})
    assert 2 == caught.value.problems[0].line
    long = Policy.parse(text + "#" * policy_wire.MAX_TEXT)
    assert policy_wire.runtime_annotation(long) == policy_wire.annotations_of(long)
