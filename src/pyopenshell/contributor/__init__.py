"""For authors of contributors: what a contributor is asked, and what it may answer (docs/contributors.md).

A contributor is a function that says which paths a runtime needs. A distribution offers it as an entry point, and it is
called only for sandboxes whose policy names it, in a process of its own that can write nothing and reach nobody:

>>> from pyopenshell.contributor import Grant, Request
>>> def contribute(request: Request) -> list[Grant]:
...     return [Grant(f"{request.identity.home}/.cache/models", "read_only", "Models that were loaded before.")]

It is tested like any function, with a request of your own:

>>> identity = Identity(uid=1000, gid=1000, groups=(), home="/home/ada")
>>> asked = Request(name="model-cache", command=("python3", "train.py"), workdir="/src", identity=identity)
>>> contribute(asked)[0].path
'/home/ada/.cache/models'
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Access", "Contribute", "Grant", "Identity", "Refusal", "Request"]

Access = Literal["read_only", "read_write"]
"""The words of a policy: read, list and execute; or also write, make and remove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom the sandbox runs as, and the contributor too: what file modes deny it cannot be looked at.

    ``home`` is the account's own folder on the host. The sandbox's ``HOME`` is another one, private and empty, unless
    the policy grants this one.

    >>> Identity(uid=1000, gid=1000, groups=(27, 1000), home="/home/ada").home
    '/home/ada'
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is known of the sandbox that is being planned.

    ``name`` is the contributor's own, as the policy spells it. ``command`` is empty where programs are started later.
    ``gpu`` is how many GPUs the sandbox gets, None where it asks for none (0: the runtime of one without a device);
    ``devices`` are the names of what it gets, CDI names where a spec covers it. ``architecture`` is as in uname(2),
    ``policy`` the document as the operator wrote it. Environment variables are not told: they hold secrets.

    >>> identity = Identity(uid=1000, gid=1000, groups=(), home="/home/ada")
    >>> Request(name="model-cache", command=("true",), workdir="/src", identity=identity).gpu is None
    True
    """

    name: str
    command: tuple[str, ...]
    workdir: str
    identity: Identity
    gpu: int | None = None
    devices: tuple[str, ...] = ()
    architecture: str = field(default_factory=lambda: os.uname().machine)
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """One path that the runtime needs. ``reason`` is a sentence for the operator, shown wherever the grant is.

    A path is absolute and written out: nothing in it is expanded. One that is missing on the host is reported as
    skipped and does no harm, so that all places can be named where something may be.

    >>> Grant("/opt/models", "read_only", "The models that this runtime loads.").access
    'read_only'
    """

    path: str | os.PathLike[str]
    access: Access
    reason: str


class Refusal(Exception):
    """Raised by a contributor whose runtime cannot work in this sandbox; the message tells the operator why.

    Then nothing is started.

    >>> raise Refusal("the models are built for x86_64 only")
    Traceback (most recent call last):
    ...
    pyopenshell.contributor.Refusal: the models are built for x86_64 only
    """


Contribute = Callable[[Request], Iterable[Grant]]
"""What an entry point in the group ``pyopenshell.contributors`` names."""
