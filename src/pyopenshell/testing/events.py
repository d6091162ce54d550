"""The audit events of the sandboxes of a test."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload

from pyopenshell.runs import RunView
from pyopenshell.state import state_root
from pyopenshell.testing.state import isolated_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    Event = dict[str, Any]


class Events(Sequence["Event"]):
    """The audit events (OCSF, docs/audit.md) in the run records of one state folder, in the order of their time.

    They are read again at each use, until ``capture_events`` ends; what there was then is kept.
    """

    def __init__(self, state: str) -> None:
        """Look at this state folder of openshell's."""
        self._records = f"{state}/runs"
        self._kept: tuple[Event, ...] | None = None

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...

    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        """Return one event, or some."""
        return self._all()[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all())

    def __repr__(self) -> str:
        """Show the codes."""
        return f"<Events {' '.join(self.codes)}>"

    @property
    def codes(self) -> tuple[str, ...]:
        """The stable name of each (``metadata.event_code``), such as ``sandbox.enforced`` or ``process.exit``."""
        return tuple(event["metadata"]["event_code"] for event in self._all())

    def of(self, code: str | None = None, *, class_uid: int | None = None, sandbox: str | None = None) -> list[Event]:
        """Return those with this code, of this OCSF class, of the sandbox of this name; all that is given must fit."""
        return [
            event
            for event in self._all()
            if code in (None, event["metadata"]["event_code"])
            and class_uid in (None, event["class_uid"])
            and sandbox in (None, event["unmapped"]["sandbox"])
        ]

    def _all(self) -> tuple[Event, ...]:
        if self._kept is not None:
            return self._kept
        found: list[Event] = []
        for run in sorted(os.listdir(self._records) if os.path.isdir(self._records) else ()):
            try:
                with open(RunView(f"{self._records}/{run}").events_path, encoding="utf-8") as file:
                    found += [json.loads(line) for line in file if line.endswith("\n")]
            except FileNotFoundError:  # a launch that did not get that far
                pass
        return tuple(sorted(found, key=lambda event: event["time"]))

    def _keep(self) -> None:
        self._kept = self._all()


@contextmanager
def capture_events() -> Iterator[Events]:
    """Collect the audit events of all sandboxes that are started in the block; gives them, also after it.

    The state is isolated meanwhile, as by ``isolated_state``. Close a sandbox before looking for how it ended.
    """
    with isolated_state():
        events = Events(state_root())
        try:
            yield events
        finally:
            events._keep()
