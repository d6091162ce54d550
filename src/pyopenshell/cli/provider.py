"""``openshell provider``: credentials that the gateway keeps and gives to sandboxes. They are never printed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyopenshell.cli import output, remote
from pyopenshell.cli.sandbox_view import moment
from pyopenshell.errors import OpenShellError, UsageError

if TYPE_CHECKING:
    import argparse
    from typing import Any

PAGE = 200


def create(arguments: argparse.Namespace) -> int:
    """Store credentials under a name."""
    credentials = dict(_credential(text) for text in arguments.credential)
    provider = {
        "metadata": {"name": arguments.name},
        "type": arguments.type,
        "credentials": credentials,
        "config": dict(arguments.config),
    }
    with remote.required(arguments) as there:
        there.call("CreateProvider", provider=provider)
    output.line(f"created {arguments.name}")
    return 0


def _credential(text: str) -> tuple[str, str]:
    """Return a credential's name and value: as given, or this environment's."""
    key, given, value = text.partition("=")
    if not key:
        raise UsageError(f"--credential takes KEY or KEY=VALUE, not {'=…' if given else repr(text)}")
    if not given:
        if key not in os.environ:
            raise UsageError(f"--credential {key}: there is no such variable", hint=f"set {key}, or write {key}=VALUE")
        value = os.environ[key]
    return key, value


def list_(arguments: argparse.Namespace) -> int:
    """Print the providers."""
    found: list[Any] = []
    token = ""
    with remote.required(arguments) as there:
        while True:
            page = there.call("ListProviders", page_size=PAGE, page_token=token)
            found += page.providers
            token = page.next_page_token
            if not token:
                break
    rows = [_shape(one) for one in found]
    if arguments.names:
        for row in rows:
            output.line(row["name"])
    elif arguments.output != "table":
        output.document(rows, arguments.output)
    elif rows:
        table = [[row["name"], row["type"], ", ".join(row["credentials"]) or "-"] for row in rows]
        output.table(("name", "type", "credentials"), table)
    else:
        output.line("no providers yet: openshell provider create makes one")
    return 0


def get(arguments: argparse.Namespace) -> int:
    """Print a provider."""
    with remote.required(arguments) as there:
        shape = _shape(there.call("GetProvider", name=arguments.name).provider)
    if arguments.output != "table":
        output.document(shape, arguments.output)
        return 0
    from pyopenshell.cli.effective_view import fields

    fields(*((key, _text(value)) for key, value in shape.items() if value not in (None, [], {})))
    return 0


def _shape(provider: Any) -> dict[str, Any]:
    """Return what may be shown of a provider: the names of its credentials, not what they are."""
    meta = provider.metadata
    return {
        "name": meta.name,
        "id": meta.id,
        "type": provider.type,
        "credentials": sorted({*provider.credentials, *provider.credential_handles}),
        "config": dict(sorted(provider.config.items())),
        "workspace": meta.workspace or "default",
        "created": moment(meta.created_time),
        "resource_version": meta.resource_version,
    }


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def delete(arguments: argparse.Namespace) -> int:
    """Remove providers. One that cannot be removed does not keep the others."""
    failures: list[OpenShellError] = []
    with remote.required(arguments) as there:
        for name in arguments.names:
            try:
                there.call("DeleteProvider", name=name)
            except OpenShellError as problem:
                failures.append(problem)
            else:
                output.line(f"deleted {name}")
    for failure in failures[:-1]:
        output.error(failure)
    if failures:
        raise failures[-1]
    return 0


VERBS = {"create": create, "list": list_, "get": get, "delete": delete}
