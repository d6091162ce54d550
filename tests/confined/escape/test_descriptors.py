"""Nothing that the caller had open is open inside."""

import json
import subprocess
import sys

from tests.confined.launch import world

_CALLER = """
import fcntl, os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
kinds = [os.open(sys.argv[1], os.O_RDONLY), os.open(sys.argv[2], os.O_RDWR), listener.fileno()]
kinds = [fcntl.fcntl(fd, fcntl.F_DUPFD, 30) for fd in kinds]
for number in range(3, 21):
    os.dup2(kinds[number % 3], number)
os.dup2(kinds[0], 199)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""A careless caller: a folder, a file and a socket at every number, for whatever it executes to inherit."""

_INSIDE = """
import json, os
def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
listed = [int(name) for name in os.listdir("/proc/self/fd")]
print(json.dumps([[fd for fd in range(1024) if is_open(fd)], sorted(fd for fd in listed if is_open(fd))]))
"""


def test_only_the_standard_streams_are_inherited(everywhere, tmp_path):
    """A folder, a file and a socket, inheritable at 3 to 20 and 199: inside there are 0, 1 and 2."""
    world.needs_python()
    (tmp_path / "file").write_text("content")
    command = everywhere.argv("--", world.PYTHON, "-I", "-S", "-c", _INSIDE)
    done = subprocess.run(
        [sys.executable, "-c", _CALLER, tmp_path, tmp_path / "file", *command],
        cwd=everywhere.workdir,
        env=everywhere.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=world.SECONDS,
    )
    assert 0 == done.returncode, done.stderr
    assert [[0, 1, 2]] * 2 == json.loads(done.stdout)
