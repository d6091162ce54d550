"""What a command in a sandbox leaves: how it ended, what it wrote, and the proof of what confined it."""

from __future__ import annotations

from pyopenshell.errors import CommandFailed, StateError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, Self

    from pyopenshell.sandbox.why import InForce

_SHOWN = 200
"""Characters of an output that a result's ``repr`` shows."""


class Evidence:
    """What a sandbox's record says was in force in it. Read when first asked for; kept when the sandbox is closed."""

    def __init__(self, record: str) -> None:
        """Look in this folder."""
        self.record = record
        self._files: dict[str, bytes] = {}
        self._effective: InForce | None = None
        self._receipt: dict[str, Any] | None = None

    @property
    def effective(self) -> InForce:
        """The effective policy as it is in force. Raises StateError where the record was changed or removed."""
        if self._effective is None:
            from pyopenshell.effective import load
            from pyopenshell.sandbox.why import InForce

            self._effective = InForce(**vars(load.from_dict(self._parse("effective.json"))))
        return self._effective

    @property
    def receipt(self) -> dict[str, Any]:
        """What the kernel accepted. Raises StateError where the record was changed or removed."""
        if self._receipt is None:
            self._receipt = self._parse("receipt.json")
        return self._receipt

    def keep(self) -> None:
        """Read what was not read yet: the record is about to become one of those that are removed in time."""
        for filename in ("effective.json", "receipt.json"):
            try:
                self._read(filename)
            except OSError:
                pass  # said to whoever asks

    def _parse(self, filename: str) -> dict[str, Any]:
        import json

        try:
            return dict(json.loads(self._read(filename)))
        except (OSError, ValueError, TypeError) as error:
            raise StateError(f"cannot read {self.record}/{filename}: {error}") from error

    def _read(self, filename: str) -> bytes:
        data = self._files.get(filename)
        if data is None:
            with open(f"{self.record}/{filename}", "rb", buffering=0) as file:
                data = self._files[filename] = file.readall()
        return data


class Result(Record):
    r"""How a command in a sandbox ended.

    ``exit`` is its exit code, 128+n after signal n, which ``signal`` then is. ``stdout_bytes`` and ``stderr_bytes`` are
    what it wrote, as far as that was captured; ``seconds`` is how long it took. ``evidence`` is what all results of
    one sandbox share. Results can be pickled.

    Example:
        >>> from pyopenshell import Sandbox
        >>> with Sandbox() as box:
        ...     result = box.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
        >>> result.exit, result.stdout, result.stderr, result.ok
        (3, 'out\n', 'err\n', False)
        >>> result.effective.findings == box.effective.findings
        True

    """

    command: tuple[str, ...]
    exit: int
    signal: int | None
    stdout_bytes: bytes
    stderr_bytes: bytes
    seconds: float
    evidence: Evidence

    @property
    def stdout(self) -> str:
        """What it wrote to its standard output, or its terminal, as UTF-8; what is none is replaced by U+FFFD."""
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        """What it wrote to its standard error, as UTF-8; what is none is replaced by U+FFFD."""
        return self.stderr_bytes.decode(errors="replace")

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.exit == 0

    @property
    def effective(self) -> InForce:
        """Everything the sandbox might do, with origins and reasons. Raises StateError where its record was damaged."""
        return self.evidence.effective

    @property
    def receipt(self) -> dict[str, Any]:
        """What the kernel accepted (docs/design.md, section 7). Raises StateError where the record was damaged."""
        return self.evidence.receipt

    def check(self) -> Self:
        """Return the result itself if the command exited with 0. Raises CommandFailed."""
        if self.exit == 0:
            return self
        how = f"was ended by {_signal_name(self.signal)}" if self.signal else f"exited with {self.exit}"
        said = self.stderr.strip().splitlines()[-1:]
        raise CommandFailed(
            f"{self.command[0]} {how}", result=self, hint=f"its last words: {said[0]}" if said else None
        )

    def __repr__(self) -> str:
        """Show how it ended, and the beginning of what it wrote."""
        parts = [f"command={self.command!r}", f"exit={self.exit}"]
        if self.signal is not None:
            parts.append(f"signal={self.signal}")
        for name in ("stdout", "stderr"):
            data: bytes = getattr(self, f"{name}_bytes")
            if data:
                text = repr(data[:_SHOWN].decode(errors="replace"))
                parts.append(f"{name}={text}" + ("…" if len(data) > _SHOWN else ""))
        return f"Result({', '.join(parts)}, seconds={self.seconds:.3f})"


class Chunk(Record):
    """Something that a command wrote: ``data`` as it came, ``text`` as UTF-8, whole characters at a time.

    ``stream`` is ``stdout`` or ``stderr``; a terminal has only the first. The texts of a stream, joined, are the text
    of all of it. The last one may have only a ``text``, U+FFFD: for a character that never was completed.
    """

    stream: Literal["stdout", "stderr"]
    data: bytes
    text: str


def _signal_name(number: int) -> str:
    from pyopenshell.kernel import signals

    return signals.name(number)
