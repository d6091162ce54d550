"""A contributor for a runtime that loads models from shared folders and keeps compiled kernels between runs.

Where these folders are, an administrator says in ``etc/model-cache.json`` of the environment that openshell is
installed in: a place that no sandbox may write to. What a sandbox could have written must never decide what the next
one is granted, so nothing is read from the working folder, nor from the caches themselves.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pyopenshell.contributor import Grant, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Path(sys.prefix, "etc", "model-cache.json")
"""``{"models": ["/srv/models"], "kernels": "/var/cache/kernels"}``; without it, the folders below."""
MODELS, KERNELS = ("/opt/models", "/srv/models"), "/var/cache/model-kernels"


def contribute(request: Request) -> Iterator[Grant]:
    """Yield what the runtime needs in this sandbox. A folder that is missing here is skipped, and does no harm."""
    settings = _settings()
    for folder in settings.get("models", MODELS):
        yield Grant(folder, "read_only", "Models that are shared by everybody on this host.")
    # Kept apart by architecture: a home folder may be shared by machines of several.
    kernels = f"{settings.get('kernels', KERNELS)}/{request.architecture}"
    yield Grant(kernels, "read_write", "Kernels that were compiled for this machine, to be used again.")


def _settings() -> dict[str, Any]:
    try:
        settings = json.loads(SETTINGS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Refusal(f"{SETTINGS} is no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise Refusal(f"{SETTINGS} holds no object")
    return cast("dict[str, Any]", settings)
