"""What an ordinary user finds, whoever tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tests.confined.landlock import harness

if TYPE_CHECKING:
    from collections.abc import Callable


def as_anyone(action: Callable[[], Any]) -> Any:
    """Return what the action returns in a child that is an ordinary user's."""

    def act() -> Any:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(*[harness.NOBODY] * 3)
            os.setresuid(*[harness.NOBODY] * 3)
        return action()

    return harness.in_child(act)
