"""Run something behind a filter: a filter is for good, so always in a child."""

import marshal
import os

import pytest

from pyopenshell.kernel import process, seccomp
from pyopenshell.kernel.syscalls import ARCHITECTURE
from pyopenshell.seccomp import bpf, table


def filtered(action, *, net_namespace=False, landlock_abi=1):
    """Return what ``action()`` returns (plain data) in a child that has the filter; an OSError becomes its errno."""
    program = bpf.build(table.rows(net_namespace=net_namespace, landlock_abi=landlock_abi), ARCHITECTURE)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            process.set_no_new_privs()
            seccomp.install(program)
            try:
                result = action()
            except OSError as error:
                result = error.errno
            os.write(write, marshal.dumps(result))
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        answer = pipe.read()
    assert (pid, 0) == os.waitpid(pid, 0)
    return marshal.loads(answer)


@pytest.fixture(scope="session")
def behind_filter():
    """Give tests the helper above."""
    return filtered
