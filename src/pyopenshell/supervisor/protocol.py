"""What a gateway and the supervisors say to each other, in frames of ``launch.frames``; payloads are ``marshal`` data.

Both are ours, of one user. What sandboxed programs write travels as it is (``OUTPUT``, ``ERRORS``), and nothing is read
out of it.

A gateway starts a *template* and has a *door* to it, as an owner has to its zygote (``zygote.protocol``). What comes
through the door is a connection: ``LAUNCH`` on it has a supervisor forked, which takes it over. Later connections are
made to the supervisor's own socket, ``SOCKET`` in the folder of its run. They begin with ``HELLO`` and the content of
``KEY`` beside it. One request is made on each:

- ``LAUNCH`` or ``WATCH``: it stays, and is told ``STATE`` at once and whenever that changes, and ``GONE`` at the end;
- ``START`` or ``ATTACH``: a *session*, one program. Answered ``BEGUN``, then ``OUTPUT`` and ``ERRORS`` and at the end
  ``ENDED``. The gateway sends ``INPUT``, ``RESIZE`` and ``SIGNAL``, and ``CANCEL`` to have it killed with all that it
  started. Whoever just closes leaves it running; what it wrote last can be had again;
- ``LIST`` (``LISTED``), ``REVISE`` (``DONE``), ``STOP`` (``GONE``, when nothing of the sandbox is left);
- ``FILES`` and ``CONNECT`` (``GIVEN``, with a descriptor).

Instead of any answer there may be ``FAILED``, with ``zygote.failure``'s account of an error.
"""

from __future__ import annotations

SOCKET, KEY = "supervisor.sock", "supervisor.key"
"""Names in the folder of a run. Landlock leaves connect(2) alone below ABI 9; the key cannot be read in a sandbox."""
KEY_SIZE = 32

LAUNCH = b"K"
"""gateway → template: as ``zygote.protocol.CREATE``, with ``"main"`` (a program as in ``START``, or None), ``"held"``
(whether that waits for the first who attaches), ``"restart"`` (``never``, ``on_failure``, ``always``) and ``"meta"``
(what the run's record says besides)."""
HELLO = b"H"
WATCH = b"W"
START = b"X"
"""``{"argv", "env" (over the sandbox's own), "cwd", "terminal": (rows, columns) or None, "timeout": seconds or None,
"stdin": bool}``."""
ATTACH = b"A"
"""``{"number", "replay": bool}``."""
LIST = b"L"
REVISE = b"V"
"""``{"text": the policy, "effective": the effective policy's JSON, "digest": its digest, "findings": those about its
network section}``."""
STOP = b"Z"
FILES = b"G"
CONNECT = b"C"
"""``{"host", "port"}``."""

INPUT = b"I"
"""What the program is to read, as it is; nothing: there is no more."""
RESIZE = b"R"
"""``(rows, columns)``."""
SIGNAL = b"S"
"""A number."""
CANCEL = b"Q"
TAKEN = b"U"
"""Said after ``ENDED``: whoever asked for the program knows how it ended, and nothing of it need be kept."""

STATE = b"Y"
"""``{"name", "run_id", "record", "pid" (the supervisor's), "init", "main": {"state": "none", "held", "running" or
"ended", "code", "signal", "restarts", "started" (milliseconds since 1970), "next" (of a restart), "pid"}}``."""
GONE = b"N"
"""``{"lost": why, where it ended by itself, or None, "troubles": [...], "survivors": [...]}``."""
FAILED = b"F"
BEGUN = b"B"
"""``{"number", "pid" (in the sandbox), "terminal": bool, "argv"}``."""
OUTPUT, ERRORS = b"1", b"2"
SKIPPED = b"3"
"""So many bytes were left out here: they were more than is kept, or than this client could take."""
ENDED = b"E"
"""``{"code", "signal", "timed_out"}``."""
LISTED = b"T"
"""``[{"number", "argv", "pid", "terminal", "state": "running" or "ended", "code", "signal", "timed_out", "started",
"attached"}]``."""
DONE = b"D"
GIVEN = b"M"

BORN = b"O"
"""supervisor → template: its pid, and that of init or of its stem."""
DIED = b"P"
"""supervisor → template: the wait status of that, which ended before the sandbox held, and what survived. To this, or
when there is nothing to wait for any more, the template answers ``DONE``: an error or None, and init's pid."""

MAIN = 0
"""The main process's number."""
TIMED_OUT = 124
"""The exit code of a program that took longer than it was given, as timeout(1) has it."""
