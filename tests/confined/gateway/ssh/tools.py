"""What the tests of SSH share besides fixtures: sandboxes, the command, clients."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from openshell._proto import openshell_pb2 as messages

SECONDS = 60
READABLE = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", "/dev/urandom")


def make(service, name):
    """Make a sandbox without a main process."""
    spec = messages.SandboxSpec()
    spec.policy.version = 1
    spec.policy.filesystem.include_workdir = True
    spec.policy.filesystem.read_only.extend(READABLE)
    return service.CreateSandbox(messages.CreateSandboxRequest(name=name, spec=spec)).sandbox


def openshell(*words, code=0):
    """Run the command; return what it prints."""
    command = [sys.executable, "-m", "pyopenshell", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    assert code == done.returncode, done.stderr
    return done.stderr if code else done.stdout


@contextmanager
def begun(config, name, command):
    """Run a command that writes a line when it has begun, and whose client is killed at last; give both."""
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(["ssh", "-F", config, name, command], stdin=null, stdout=pipe, stderr=pipe) as client:
        assert client.stdout is not None
        try:
            yield client, client.stdout
        finally:
            client.kill()


def found(pattern, text):
    """Return what the group of a pattern matches."""
    match = re.search(pattern, text, re.MULTILINE)
    assert match, text
    return match[1]


def proxy(config):
    """Return the ProxyCommand of a configuration."""
    return found(r"^ +ProxyCommand (.*)$", Path(config).read_text()).replace("%%", "%")
