"""What is shown of a transfer: progress while it goes on, on a terminal only, what was left out, and a summary."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Self

from pyopenshell.cli import output, remote

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from pyopenshell.gateway.proto.files_pb2 import FileFrame

WIDTH = 40
"""Characters of a path that are shown while it is transferred."""
MOST = 20
"""What was left out is told one by one up to so many times."""
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class View:
    """A transfer as somebody watches it. A context manager, because progress takes a line of the terminal."""

    def __init__(self, done: str, name: str) -> None:
        """``done`` is the word for it afterwards: uploaded; ``name`` that of what is transferred."""
        self._done, self._name = done, name
        self._counts = {"file": 0, "folder": 0, "link": 0}
        self._bytes = self._told = 0
        self._path = name
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self.where = ""
        self.missing = 0
        """What should have been transferred and was not."""

    def __enter__(self) -> Self:
        """Begin to show progress, where standard error is a terminal."""
        if sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

            shown = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[size]}"))
            console = Console(stderr=True, markup=False, highlight=False, emoji=False)
            self._progress = Progress(SpinnerColumn(), *shown, TransferSpeedColumn(), console=console, transient=True)
            self._progress.start()
            self._task = self._progress.add_task("", total=None, size="")
        return self

    def __exit__(self, *_: object) -> None:
        """Take the progress away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def take(self, frame: FileFrame) -> None:
        """Count a frame, and tell what it tells of something that is missing."""
        kind = frame.WhichOneof("payload")
        if kind == "entry":
            self._entry(frame.entry)
        elif kind == "data":
            self._bytes += len(frame.data)
        elif kind == "end" and frame.end.problem:
            self._counts["file"] -= 1
            self._notice(self._path, frame.end.problem, missing=True)
        elif kind == "notice":
            self._notice(os.fsdecode(frame.notice.path), frame.notice.message, missing=frame.notice.missing)
        if self._progress is not None and self._task is not None:
            path = self._path if len(self._path) <= WIDTH else f"…{self._path[-WIDTH:]}"
            self._progress.update(
                self._task, description=output.escape(path), completed=self._bytes, size=_size(self._bytes)
            )

    def summary(self) -> str:
        """Return what became of it, in one line."""
        if self._told > MOST:
            remote.note(f"and {self._told - MOST:,} more")
        counts = [f"{count:,} {what}{'s' * (count != 1)}" for what, count in self._counts.items() if count]
        text = f"{self._done} {', '.join(counts) or 'nothing'} ({_size(self._bytes)}) to {self.where}"
        return f"{text}; {self.missing:,} could not be read" if self.missing else text

    def _entry(self, entry: Any) -> None:
        from pyopenshell.gateway.proto import files_pb2

        kinds = {files_pb2.FILE_KIND_FOLDER: "folder", files_pb2.FILE_KIND_LINK: "link"}
        self._counts[kinds.get(entry.kind, "file")] += 1
        self._path = os.fsdecode(entry.path) or self._name

    def _notice(self, path: str, message: str, *, missing: bool) -> None:
        self.missing += missing
        self._told += 1
        if self._told <= MOST:
            if self._progress is not None:
                self._progress.console.print(f"openshell: {output.escape(path) or '.'}: {output.escape(message)}")
            else:
                remote.note(f"{path or '.'}: {message}")


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if unit else f"{count:,} {UNITS[0]}"
