"""Reading run records, of this process or another, alive or over."""

from __future__ import annotations

import os

from pyopenshell.errors import StateError
from pyopenshell.state import is_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class RunView:
    """A run as its record tells it."""

    def __init__(self, path: str) -> None:
        """Look at the record in the folder ``path``."""
        self.id = os.path.basename(path)
        self.path = path
        self.events_path = f"{path}/events.jsonl"

    @property
    def name(self) -> str:
        """The sandbox's name; the id, where the record has lost its ``meta.json``."""
        try:
            return str(self.meta()["name"])
        except (StateError, KeyError):
            return self.id

    @property
    def state(self) -> str:
        """``starting`` (no receipt yet), ``running``, ``exited``, or ``lost``: its supervisor died without a word."""
        live = is_locked(self.path)  # Asked first: whoever is gone by now has written all it ever will.
        if os.path.exists(f"{self.path}/exit.json"):
            return "exited"
        if not live:
            return "lost"
        return "running" if os.path.exists(f"{self.path}/receipt.json") else "starting"

    def meta(self) -> dict[str, Any]:
        """Return ``meta.json``. Raises StateError."""
        found = self._read("meta.json")
        if found is None:
            raise StateError(f"{self.path} is no run record: it has no meta.json", hint=f"delete it: {self.id}")
        return found

    def effective(self) -> dict[str, Any] | None:
        """Return the effective policy, or None where the run did not get that far. Raises StateError."""
        return self._read("effective.json")

    def receipt(self) -> dict[str, Any] | None:
        """Return the receipt, or None while there is none. Raises StateError."""
        return self._read("receipt.json")

    def exit(self) -> dict[str, Any] | None:
        """Return how the run ended, or None while it has not. Raises StateError."""
        return self._read("exit.json")

    def policy_text(self) -> str:
        """Return the policy as it was given. Raises StateError."""
        try:
            with open(f"{self.path}/policy.yaml", encoding="utf-8", newline="") as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise StateError(f"cannot read {self.path}/policy.yaml: {error}") from error

    def _read(self, filename: str) -> dict[str, Any] | None:
        import json

        try:
            with open(f"{self.path}/{filename}", "rb") as file:
                return dict(json.loads(file.read()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StateError(f"cannot read {self.path}/{filename}: {error}") from error
