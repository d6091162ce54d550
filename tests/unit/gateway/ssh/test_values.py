"""What words of SSH's mean here: ports, flags, attributes, signals, sizes, shells."""

import inspect
import json
import os
import pwd
import signal
import stat
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from asyncssh import SFTPAttrs
from asyncssh import constants as ssh

from pyopenshell.errors import UsageError
from pyopenshell.gateway.files.remote import Status
from pyopenshell.gateway.ssh import program, server, shell
from pyopenshell.gateway.ssh.ports import loopback
from pyopenshell.gateway.ssh.sftp import SandboxFiles
from pyopenshell.gateway.ssh.sftp_values import attributes, changes, flags_of, flags_of_access

HARMLESS = {
    "channel",
    "connection",
    "env",
    "logger",
    "convert_attrs",
    "format_longname",
    "map_path",
    "reverse_map_path",
}
"""Of asyncssh's server: what touches no file, and is used by nothing of ours that does."""
UNSUPPORTED = {"lock", "unlock"}
"""What asyncssh answers by itself: not supported."""


def test_no_file_is_touched_here():
    """Each method of asyncssh's own SFTP server, which works on this process's files, is replaced."""
    theirs = {name for name in vars(asyncssh.SFTPServer) if not name.startswith("_")}
    ours = {name for name in vars(SandboxFiles) if not name.startswith("_")}
    assert theirs - HARMLESS - UNSUPPORTED <= ours
    assert all(
        "raise SFTPOpUnsupported" in inspect.getsource(getattr(asyncssh.SFTPServer, name)) for name in UNSUPPORTED
    )


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        ("127.9.9.9", ("127.9.9.9",)),
        ("::1", ("::1",)),
        ("[::1]", ("::1",)),
        ("localhost", ("127.0.0.1", "::1")),
        ("LocalHost.", ("127.0.0.1", "::1")),
        ("", ("127.0.0.1", "::1")),
    ],
)
def test_loopback(host, addresses):
    """Names and addresses of the loopback lead there."""
    assert addresses == loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "10.0.0.1",
        "0.0.0.0",
        "::",
        "::ffff:10.0.0.1",
        "169.254.169.254",
        "127.1",
        "::1%lo",
        "a" * 5000,
        "\0",
    ],
)
def test_not_loopback(host):
    """Nothing else does; no name is looked up."""
    with pytest.raises(UsageError, match="not the sandbox's loopback"):
        loopback(host)


@pytest.mark.parametrize(
    ("pflags", "flags"),
    [
        (0, os.O_RDONLY),
        (ssh.FXF_READ, os.O_RDONLY),
        (ssh.FXF_WRITE | ssh.FXF_CREAT | ssh.FXF_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (ssh.FXF_READ | ssh.FXF_WRITE, os.O_RDWR),
        (ssh.FXF_WRITE | ssh.FXF_APPEND, os.O_WRONLY | os.O_APPEND),
        (ssh.FXF_WRITE | ssh.FXF_CREAT | ssh.FXF_EXCL, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    ],
)
def test_flags(pflags, flags):
    """SFTP 3's flags are open(2)'s."""
    assert flags == flags_of(pflags)


def test_flags_of_later_versions():
    """So are those of SFTP 5 and 6."""
    writes = ssh.ACE4_WRITE_DATA
    assert os.O_WRONLY | os.O_CREAT | os.O_TRUNC == flags_of_access(writes, ssh.FXF_CREATE_TRUNCATE)
    assert os.O_RDWR | os.O_CREAT | os.O_EXCL == flags_of_access(writes | ssh.ACE4_READ_DATA, ssh.FXF_CREATE_NEW)
    assert os.O_WRONLY | os.O_APPEND == flags_of_access(ssh.ACE4_APPEND_DATA, ssh.FXF_OPEN_EXISTING)


def test_attributes():
    """What is told of a file fits into SFTP 3's 32 bits, whatever an agent says."""
    status = Status(stat.S_IFLNK | 0o777, 5, -(10**18), 10**20, 2**40, 7, 1)
    told = attributes(status)
    assert (ssh.FILEXFER_TYPE_SYMLINK, 5, 0, 2**32 - 1) == (told.type, told.size, told.atime, told.mtime)
    assert told.encode(3)


def test_changes():
    """Only what the client names is changed; set-user-id is the agent's to refuse, no bit above is passed on."""
    assert {} == changes(SFTPAttrs())
    assert {"mode": 0o4755, "size": 0} == changes(SFTPAttrs(permissions=0o104755, size=0))
    assert {"times": (3_000_000_000, 4_000_000_005), "owner": (5, -1)} == changes(
        SFTPAttrs(atime=3, mtime=4, mtime_ns=5, uid=5)
    )
    with pytest.raises(asyncssh.SFTPFailure):
        changes(SFTPAttrs(atime=3))


def test_environment():
    """Of a client's variables only the language passes, with values that are plain text."""
    asked = {
        b"LANG": b"de_DE.UTF-8",
        b"LC_ALL": b"C",
        b"LC_X\n": b"C",
        b"LD_PRELOAD": b"/x",
        b"LC_TIME": b"a\nb",
        b"PATH": b"/",
    }
    assert {"LANG": "de_DE.UTF-8", "LC_ALL": "C"} == program._environment(asked)


def test_signals():
    """Signals are named as RFC 4254 does; ours beyond that carry the system's name."""
    assert [int(signal.SIGTERM), int(signal.SIGUSR1), None, None] == [
        program._number(name) for name in ("TERM", "USR1", "_BLOCK", "NOPE")
    ]
    assert ["KILL", "40@linux"] == [program._name(number) for number in (9, 40)]


def test_sizes():
    """A terminal always has rows and columns."""
    assert [(24, 80), (5, 6), (65535, 65535)] == [
        program._rows_and_columns(width, height) for width, height in ((0, 0), (6, 5), (2**32 - 1, 2**31))
    ]


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("/usr/bin/fish", ("/usr/bin/fish", "/bin/bash", "/bin/sh")),
        ("/bin/sh", ("/bin/sh", "/bin/bash")),
        ("/usr/sbin/nologin", ("/bin/bash", "/bin/sh")),
        ("", ("/bin/bash", "/bin/sh")),
        (None, ("/bin/bash", "/bin/sh")),
    ],
)
def test_shells(account, expected, tmp_path, monkeypatch):
    """The shell of the identity's account comes first, if it is one."""
    (tmp_path / "effective.json").write_text(json.dumps({"identity": {"uid": 4321}}))

    def entry(uid):
        assert uid == 4321
        if account is None:
            raise KeyError(uid)
        return pwd.struct_passwd(("someone", "x", uid, uid, "", "/", account))

    monkeypatch.setattr(pwd, "getpwuid", entry)
    assert expected == shell.candidates(str(tmp_path))


def test_shell_without_a_record(tmp_path):
    """Where the record cannot be read, there are still shells to try."""
    assert shell.SHELLS == shell.candidates(str(tmp_path))


def test_channels_are_counted():
    """One more than there may be is refused, of either kind: each costs a process or a connection inside."""
    visit: Any = SimpleNamespace(channels=server.CHANNELS)
    for ask in (
        server.Server(visit).session_requested,
        lambda: server.Server(visit).connection_requested("", 1, "", 1),
    ):
        with pytest.raises(asyncssh.ChannelOpenError, match="channels at most"):
            ask()
    visit.channels -= 1
    server.Server(visit)._check()


def test_no_other_subsystems():
    """There is SFTP; what else a client names does not become a shell."""
    session: Any = SimpleNamespace()
    named = ("sftp", "netconf", "sftp ", "", "SFTP")
    assert ["sftp"] == [name for name in named if program.SandboxSession.subsystem_requested(session, name)]
