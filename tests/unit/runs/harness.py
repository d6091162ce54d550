"""What the tests of run records share: making runs, and processes that are killed wherever they are."""

import itertools
import os
import signal
import sys

from pyopenshell import runs, state
from pyopenshell.errors import OpenShellError

POLICY = "version: 1\n"
TRACED = {runs.__file__, state.__file__, runs.registry.__file__}


def create(name=None, **meta):
    """Begin a run."""
    return runs.create(name, POLICY, meta)


def over(name=None):
    """Begin a run and end it."""
    run = create(name)
    run.close()
    return run


def fork(action):
    """Do something in a forked process, which then ends; return its process id."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            action()
            code = 0
        except OpenShellError:
            code = 1
        finally:
            os._exit(code)
    return child


def wait(child):
    """Return the exit code of a forked process, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_everywhere(action):
    """Do something in process after process, killed before its first line, its second, …; yield after each death."""
    for number in itertools.count(1):
        left = [number]

        def trace(frame, event, _argument, left=left):
            if frame.f_code.co_filename not in TRACED:
                return None
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        def traced(trace=trace):
            sys.settrace(trace)
            action()
            sys.settrace(None)

        if wait(fork(traced)) != -signal.SIGKILL:
            assert number > 10
            return
        yield number


def leftovers(folder):
    """Return what is half done in the state folder."""
    return [path.name for path in (*(folder / "runs").iterdir(), *(folder / "names").iterdir()) if path.name[0] == "."]
