"""A person at a terminal: an interactive shell that runs the command in the world of a test."""

import os
import shlex
from contextlib import suppress
from pathlib import Path

import pexpect

from tests.confined.launch import world

PROMPT = "ready> "


class Shell:
    """An interactive bash on a terminal of its own, where ``openshell`` runs a command in the world of the test."""

    def __init__(self, sandbox):
        self.workdir = sandbox.workdir
        (sandbox.folder / "openshell").write_text(f'#!/bin/sh\nexec {shlex.join(sandbox.argv("-q", "--"))} "$@"\n')
        (sandbox.folder / "openshell").chmod(0o755)
        path = f"{sandbox.folder}:{os.environ['PATH']}"
        self.terminal = pexpect.spawn(
            "/bin/bash",
            ["--norc", "--noprofile", "--noediting", "-i"],
            env={**sandbox.environment, "PS1": PROMPT, "TERM": "dumb", "PATH": path},
            cwd=str(sandbox.workdir),
            encoding="utf-8",
            timeout=world.SECONDS,
            dimensions=(30, 100),
        )
        self.terminal.delaybeforesend = None
        self.expect(PROMPT)

    def type(self, text):
        """Type a line and do not wait."""
        self.terminal.sendline(text)
        self.expect(f"{text}\r\n")

    def line(self, text):
        """Return what a command line printed, once the prompt is back."""
        self.type(text)
        self.expect(PROMPT)
        return str(self.terminal.before).replace("\r\n", "\n")

    def outcome(self, text):
        """Return exit code and output of a command line."""
        printed, _, code = self.line(f"{text}; echo code=$?").rpartition("code=")
        return int(code), printed

    def expect(self, text):
        """Wait until this is printed."""
        self.terminal.expect_exact(text)

    def until_started(self):
        """Wait until the command has the foreground. Shells swallow early signals, and so may an exec of Python's."""
        last = b"-I" if world.IS_ROOT else b"-m"  # root's command starts itself once more
        while True:
            leader = Path(f"/proc/{os.tcgetpgrp(self.terminal.child_fd)}/cmdline")
            with suppress(FileNotFoundError, ProcessLookupError):
                if leader.read_bytes().split(b"\0")[1:2] == [last]:
                    return
            os.sched_yield()

    def program(self, code):
        """Write a program into the working folder; return the words that run it."""
        world.needs_python()
        (self.workdir / "program.py").write_text(code)
        (self.workdir / "program.py").chmod(0o644)
        return f"{world.PYTHON} program.py"
