"""What providers bring to sandboxes: credentials as variables of their programs. Pure; no value is in any message."""

from __future__ import annotations

import re

from pyopenshell.errors import PolicyRefused, UsageError
from pyopenshell.gateway import limits, validate
from pyopenshell.gateway.validate import FieldError
from pyopenshell.policy.problems import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openshell._proto import openshell_pb2

    from pyopenshell.gateway.store import Provider

REDACTED = "REDACTED"
"""What stands for a credential wherever it is told that there is one."""
MAX_ENTRIES = 64
"""Credentials of a provider, and as many entries of its configuration."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class CredentialExpired(PolicyRefused):
    """A sandbox was to get a credential whose time is over."""

    code = "credential.expired"


def check_entries(given: Mapping[str, str], field: str) -> None:
    """Accept credentials or configuration: names that a variable can have, values of a size that one can have."""
    validate.count(given, field, MAX_ENTRIES)
    for name, value in given.items():
        if len(name) > limits.ENVIRONMENT_NAME or not _VARIABLE.fullmatch(name):
            raise FieldError(
                field,
                f"{show(name)} cannot name a variable",
                hint=f"use at most {limits.ENVIRONMENT_NAME} letters, digits and '_', and begin with no digit",
            )
        validate.text(value, f"{field}.{name}", limits.ARGUMENT - len(name) - 2)


def merged(before: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return entries after changes: an empty value removes an entry, ``REDACTED`` leaves it as it is.

    Raises UsageError for ``REDACTED`` where there is nothing that it could stand for.
    """
    result = dict(before)
    for name, value in changes.items():
        if value == REDACTED:
            if name not in before:
                raise UsageError(f"{name}: {REDACTED} is no credential: it is what is told instead of one")
        elif value:
            result[name] = value
        else:
            result.pop(name, None)
    return result


def environment(
    providers: Iterable[Provider], profiles: Mapping[str, openshell_pb2.ProviderProfile], now: int
) -> dict[str, str]:
    """Return the variables that providers bring: credentials by their names, or those that their type's profile says.

    ``profiles`` are by the type of provider, ``now`` is in milliseconds since 1970. Raises CredentialExpired, and
    UsageError where two bring the same variable.
    """
    found: dict[str, str] = {}
    owners: dict[str, str] = {}
    for provider in providers:
        profile = profiles.get(provider.type)
        names = {one.name: list(one.env_vars) for one in profile.credentials} if profile else {}
        for credential, value in sorted(provider.credentials.items()):
            expires = provider.expirations.get(credential)
            if expires is not None and expires <= now:
                raise CredentialExpired(
                    f"credential {credential} of provider {provider.name} has expired",
                    hint="give the provider a new one, or create the sandbox without the provider",
                )
            for variable in names.get(credential) or [credential]:
                if owners.setdefault(variable, provider.name) != provider.name:
                    raise UsageError(
                        f"providers {owners[variable]} and {provider.name} both bring the variable {variable}",
                        hint="attach one of them",
                        code="provider.conflict",
                    )
                found[variable] = value
    return found


def lint(profile: openshell_pb2.ProviderProfile) -> list[tuple[str, str, str]]:
    """Return what is wrong with a profile (``error``), and what of it has no effect here (``warning``).

    Each is the severity, the field and a sentence.
    """
    found: list[tuple[str, str, str]] = []
    try:
        validate.sandbox_name(profile.id, "id")
    except FieldError as problem:
        found.append(("error", "id", problem.message))
    names: set[str] = set()
    for index, credential in enumerate(profile.credentials):
        field = f"credentials[{index}]"
        if not credential.name or credential.name in names:
            found.append(("error", f"{field}.name", "a credential has a name of its own"))
        names.add(credential.name)
        for variable in credential.env_vars:
            if len(variable) > limits.ENVIRONMENT_NAME or not _VARIABLE.fullmatch(variable):
                found.append(("error", f"{field}.env_vars", f"{show(variable)} cannot name a variable"))
        for name in ("refresh", "token_grant"):
            if credential.HasField(name):
                found.append(("warning", f"{field}.{name}", "kept, without effect: credentials are not renewed here"))
        if credential.auth_style:
            text = "kept, without effect: programs get the credential itself, as a variable"
            found.append(("warning", f"{field}.auth_style", text))
    for name, why in _WITHOUT_EFFECT.items():
        if getattr(profile, name):
            found.append(("warning", name, f"kept, without effect: {why}"))
    return found


_WITHOUT_EFFECT = {
    "endpoints": "a sandbox reaches no network",
    "binaries": "a sandbox reaches no network",
    "files": "providers bring variables, no files",
}
