"""Policies for programs: from a path, from text, from a mapping. What was parsed is kept, as for the command.

Whoever makes sandboxes from such a policy then needs no YAML parser: the tree goes with its text.
"""

from __future__ import annotations

import os

from pyopenshell.errors import OpenShellError, PolicyError, Problem, StateError
from pyopenshell.policy import cache as kept_trees
from pyopenshell.policy.load import load as load_file
from pyopenshell.policy.load import parse as parse_text
from pyopenshell.state import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyopenshell.policy.model import Policy

_DEEPEST = 32
"""Levels that a mapping may have: more than any policy has."""
_trees: dict[str, tuple[Any, ...]] = {}
"""By the SHA-256 of their texts."""


def load(path: str | os.PathLike[str]) -> Policy:
    """Return the policy in a file. Raises PolicyError, and OpenShellError (``policy.unreadable``)."""
    # Absolute: that the sandbox cannot replace the file is looked at later, when the current folder may be another.
    try:
        return load_file(os.path.abspath(path), _cache())
    except OpenShellError as error:
        if error.code != "policy.unreadable":
            raise
        # In the message, which is all that a traceback shows; and not once more as the error's place.
        raise OpenShellError(f"{os.fspath(path)}: {error}", code=error.code, hint=error.hint) from error.__cause__


def parse(text: str | bytes, file: str | None = None) -> Policy:
    """Return the policy that a text holds. Raises PolicyError, and OpenShellError (``policy.unreadable``)."""
    return parse_text(text.encode(errors="surrogatepass") if isinstance(text, str) else text, file, _cache())


def from_dict(mapping: Mapping[str, Any]) -> Policy:
    """Return the policy that a mapping describes; its text is YAML made from it. Raises PolicyError."""
    from collections.abc import Mapping

    import yaml

    if not isinstance(mapping, Mapping):
        raise _unknown(mapping, "", "it is a mapping: Policy.parse takes text, Policy.load a path")
    plain = _plain(mapping, "")
    return parse(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=1 << 20))


def tree(policy: Policy) -> tuple[Any, ...]:
    """Return what was parsed of a policy, as ``policy.cache`` keeps it: for somebody who cannot parse."""
    found = _trees.get(policy.source.sha256)
    if found is None:
        cache = _cache()
        root = kept_trees.get(cache, policy.source.sha256) if cache else None
        if root is None:
            from pyopenshell.policy.document import parse as parse_document
            from pyopenshell.policy.problems import Problems

            root = parse_document(policy.source.text, Problems())
        assert root is not None  # noqa: S101 - the text was valid when it became this policy
        found = kept_trees.plain(root)
        if len(_trees) >= kept_trees.MOST:
            _trees.clear()
        _trees[policy.source.sha256] = found
    return found


def _cache() -> str | None:
    try:
        return f"{state_root()}/policies"
    except StateError:  # no home is known: only launches need one
        return None


def _plain(value: Any, key: str, depth: int = 0) -> Any:
    """Return a value as only dicts, lists and scalars, none of them twice: those would become aliases."""
    if depth > _DEEPEST:  # or around in a circle
        raise PolicyError([Problem("the policy is nested too deeply", hint=f"{key[:40]}… leads on and on")])
    from collections.abc import Mapping

    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise _unknown(name, f"{key}: " if key else "", "a key is text")
        return {str(name): _plain(child, f"{key}.{name}" if key else name, depth + 1) for name, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(child, f"{key}[{index}]", depth + 1) for index, child in enumerate(value)]
    raise _unknown(
        value, f"{key}: " if key else "", "a policy holds text, whole numbers, true and false, lists, mappings"
    )


def _unknown(value: object, place: str, hint: str) -> PolicyError:
    return PolicyError([Problem(f"{place}{value!r} cannot stand in a policy", hint=hint)])
