"""Policies of OpenShell's protocol as ours, and back.

A message becomes the YAML that says the same, and the policy parser judges that: one set of limits and messages for
everybody. The protocol has no field for the ``runtime`` section: it travels in an annotation, as JSON. Another one is
the text that a client's policy was read from: where it says the same, that is what is kept and shown, line by line.
"""

from __future__ import annotations

import json

import yaml
from openshell._proto import sandbox_pb2

from pyopenshell.effective.canonical import canonical, canonical_bytes
from pyopenshell.errors import PolicyError, Problem
from pyopenshell.gateway import policy_rules
from pyopenshell.policy.digest import sha256
from pyopenshell.policy.model import MAX_FILE_SIZE, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RUNTIME = "pyopenshell/runtime"
"""The annotation that holds a policy's ``runtime`` section, as JSON."""
MAX_RUNTIME = 1 << 17
"""Bytes the annotation may have."""
TEXT = "pyopenshell/policy"
"""The annotation that holds the text of a policy as somebody wrote it. It is not kept among annotations."""
MAX_TEXT = 96 << 10
"""Characters up to which clients send it: all annotations have room beside it."""
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def to_policy(message: sandbox_pb2.SandboxPolicy, annotations: Mapping[str, str]) -> Policy:
    """Return the policy that a message and its annotations say.

    A version that is not set means 1: the protocol cannot tell them apart. Raises PolicyError with every mistake;
    places are keys, for the client never saw the YAML, but for a text of its own.
    """
    if message.ByteSize() > MAX_FILE_SIZE:
        raise PolicyError([Problem(f"the policy has {message.ByteSize():,} bytes; at most {MAX_FILE_SIZE:,} are read")])
    mapping = _mapping(message, annotations.get(RUNTIME))
    return _as_written(annotations[TEXT], mapping) if TEXT in annotations else to_parsed(mapping)


def requested(message: sandbox_pb2.SandboxPolicy | None, annotations: Mapping[str, str]) -> Policy:
    """Return the policy for a new sandbox: the built-in one where a client gives none. Raises PolicyError."""
    if message is not None:
        return to_policy(message, annotations)
    default = Policy.default()
    return to_policy(to_wire(default), annotations) if annotations.keys() & {RUNTIME, TEXT} else default


def _as_written(text: str, mapping: Mapping[str, Any]) -> Policy:
    """Return the policy of a text, which must say what a message says. Raises PolicyError."""
    policy = Policy.parse(text)
    if digest(policy) == sha256(canonical_bytes(mapping)):
        return policy
    hint = "it is the text that the policy of the request was read from; it may be left out"
    raise PolicyError([Problem(f"annotation {TEXT}: it says something else than the policy", key=TEXT, hint=hint)])


def to_parsed(mapping: Mapping[str, Any]) -> Policy:
    """Return the policy that a mapping describes, with the YAML that was made of it. Raises PolicyError."""
    text = yaml.dump(dict(mapping), Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=1 << 20)
    try:
        return Policy.parse(text)
    except PolicyError as error:
        raise PolicyError([problem.replace(line=None, column=None) for problem in error.problems]) from None


def to_wire(policy: Policy) -> sandbox_pb2.SandboxPolicy:
    """Return what OpenShell's protocol can say of a policy: all but its ``runtime`` section."""
    declared = policy.declared
    message = sandbox_pb2.SandboxPolicy(version=policy.version)
    for section, field in (("filesystem_policy", "filesystem"), ("landlock", "landlock")):
        if declared.get(section) is not None:
            policy_rules.fill(_present(message, field), declared[section])
    if declared.get("process") is not None:
        policy_rules.fill(_present(message, "process"), {key: str(one) for key, one in declared["process"].items()})
    for name, rule in (declared.get("network_policies") or {}).items():
        policy_rules.fill(message.network_policies[name], rule)
    return message


def runtime_annotation(policy: Policy) -> dict[str, str]:
    """Return the annotation that holds the policy's ``runtime`` section; none where it has none."""
    runtime = policy.declared.get("runtime")
    return {RUNTIME: canonical(runtime)} if runtime else {}


def annotations_of(policy: Policy) -> dict[str, str]:
    """Return what a client sends beside a policy's message: its ``runtime`` section, and its text unless too long."""
    text = policy.source.text
    return runtime_annotation(policy) | ({TEXT: text} if text and len(text.encode()) <= MAX_TEXT else {})


def digest(policy: Policy) -> str:
    """Return the SHA-256 of what a policy says: the same for all spellings of it that the protocol cannot tell apart.

    It is that of the RFC 8785 JSON of the policy as ``to_policy`` would write it.
    """
    return sha256(canonical_bytes(_mapping(to_wire(policy), runtime_annotation(policy).get(RUNTIME))))


def _present(message: sandbox_pb2.SandboxPolicy, field: str) -> Any:
    part = getattr(message, field)
    part.SetInParent()
    return part


def _mapping(message: sandbox_pb2.SandboxPolicy, runtime: str | None) -> dict[str, Any]:
    """Return the document, sections in the order of the schema; sections that say nothing are left out."""
    sections = {
        "filesystem_policy": policy_rules.plain(message.filesystem),
        "landlock": policy_rules.plain(message.landlock),
        "process": policy_rules.plain(message.process),
        "network_policies": {
            key: policy_rules.plain(message.network_policies[key]) for key in sorted(message.network_policies)
        },
        # Refused by the parser, with the reason: leaving a middleware out would let traffic pass unexamined.
        "network_middlewares": {key: {} for key in sorted(message.network_middlewares)},
        "runtime": _runtime(runtime),
    }
    return {"version": message.version or 1} | {name: section for name, section in sections.items() if section}


def _runtime(text: str | None) -> Any:
    """Return the section that an annotation holds. Raises PolicyError where it is no JSON object."""
    if not text:
        return None
    if len(text) > MAX_RUNTIME:
        raise _no_runtime(f"it has {len(text):,} characters, and at most {MAX_RUNTIME:,} are read")
    try:
        section = json.loads(text, object_pairs_hook=_unique, parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise _no_runtime(f"it is no JSON: {error}") from None
    if not isinstance(section, dict):
        raise _no_runtime("it is no JSON object")
    return section


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no value of a policy")


def _no_runtime(why: str) -> PolicyError:
    hint = 'it is the runtime section of the policy as JSON, such as {"cuda_thread_names": "broker"}'
    return PolicyError([Problem(f"annotation {RUNTIME}: {why}", key=RUNTIME, hint=hint)])
