"""The sandbox's environment: what passes by name, what is set, what was asked for. Everything else stays outside.

Names are recorded, values never (docs/design.md, section 6).
"""

from __future__ import annotations

from pyopenshell.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyopenshell.effective.model import Identity

PASSED = ("PATH", "TERM", "COLORTERM", "LANG", "TZ")
"""Variables that pass with the caller's value."""
PASSED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_")
"""So do those that begin like this, unless one of the words of their name is in ``SECRET_WORDS``."""
SECRET_WORDS = {"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS", "AUTH"}
"""``NVIDIA_API_KEY`` is a credential of the caller's, not a setting of the driver: it passes with --env only."""
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
"""PATH for a caller that has none."""


def build(
    host_env: Mapping[str, str],
    extra: tuple[str, ...],
    identity: Identity,
    *,
    home: str,
    tmp: str | None = None,
    cuda_cache: str | None = None,
    devices: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the variables for the sandbox.

    ``extra`` are the values of --env: ``NAME=VALUE`` sets, ``NAME`` passes the caller's value; they win over
    everything. ``home`` is HOME; ``tmp`` becomes TMPDIR where it is not ``/tmp``; ``cuda_cache`` CUDA_CACHE_PATH;
    ``devices`` is what the sandbox's devices set, over the caller's values.
    Raises UsageError for a name that cannot be one, and for a variable that is asked for and not set.
    """
    env = {name: value for name, value in host_env.items() if _passes(name)}
    env |= devices or {}
    env.setdefault("PATH", DEFAULT_PATH)
    env |= {"HOME": home, "USER": identity.user, "LOGNAME": identity.user, "SHELL": identity.shell}
    if tmp is not None and tmp != "/tmp":  # noqa: S108 - compared, not used
        env["TMPDIR"] = tmp
    if cuda_cache is not None:
        env["CUDA_CACHE_PATH"] = cuda_cache
    for text in extra:
        name, equals, value = text.partition("=")
        if not name or "\0" in text:
            raise UsageError(f"--env {text!r} names no variable", hint="write --env NAME or --env NAME=VALUE")
        if not equals and name not in host_env:
            raise UsageError(
                f"--env {name}: this variable is not set here", hint=f"write --env {name}=VALUE, or leave it out"
            )
        env[name] = value if equals else host_env[name]
    return env


def names(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return what may be recorded of an environment: the names, in order."""
    return tuple(sorted(env))


def _passes(name: str) -> bool:
    return name in PASSED or (name.startswith(PASSED_PREFIXES) and SECRET_WORDS.isdisjoint(name.upper().split("_")))
