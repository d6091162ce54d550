"""``runtime.kernel_log`` and ``kernel_log_quiet``: what is read, and what is a mistake."""

import pytest

from pyopenshell.errors import PolicyError
from pyopenshell.policy import load
from pyopenshell.policy.model import MAX_PATHS


def parse(text):
    """Read a policy with this section ``runtime``."""
    return load.parse(f"version: 1\nruntime: {{{text}}}\n".encode(), "policy.yaml")


def test_defaults():
    """Denials are logged, all of them; so too under the built-in policy."""
    for policy in (parse(""), load.default()):
        assert ("denials", ()) == (policy.kernel_log, policy.kernel_log_quiet)


def test_values():
    """Paths are kept in order, each once, without empty components."""
    policy = parse("kernel_log: off, kernel_log_quiet: [/root, /etc//shadow, /root/.]")
    assert ("off", ("/root", "/etc/shadow")) == (policy.kernel_log, policy.kernel_log_quiet)


@pytest.mark.parametrize(
    "text",
    [
        "kernel_log: all",
        "kernel_log: false",
        "kernel_log_quiet: /root",
        "kernel_log_quiet: [root]",
        "kernel_log_quiet: [/a/../b]",
        f"kernel_log_quiet: [{', '.join(f'/{number}' for number in range(MAX_PATHS + 1))}]",
    ],
)
def test_mistakes(text):
    """Each is told with its key."""
    with pytest.raises(PolicyError, match=r"runtime\.kernel_log"):
        parse(text)
