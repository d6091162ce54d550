"""A Jupyter kernel in a sandbox, used as notebooks use it: through jupyter_client, which knows nothing of sandboxes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from pyopenshell.integrations import jupyter

SECONDS = 60
PROJECT = Path(__file__).parents[3]


@pytest.fixture
def spec(tmp_path, monkeypatch, capfd):
    """Install a kernelspec with these arguments beneath a folder of the test; return its name."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entry for entry in sys.path if "site-packages" not in entry))

    def install(*arguments):
        assert 0 == jupyter.main(["install", "--name", "boxed", *arguments])
        assert capfd.readouterr().out.startswith("installed boxed: ")
        return "boxed"

    return install


class Notebook:
    """What a notebook does with its kernel."""

    def __init__(self, name, folder, **options):
        self.manager = KernelManager(kernel_name=name, **options)
        self.manager.start_kernel(cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()

    def open(self):
        """Wait until it answers."""
        self.client.wait_for_ready(timeout=SECONDS)

    def run(self, code):
        """Run a cell; return its result, what it printed, or the error's name and text."""
        said = []

        def hear(message):
            content = message["content"]
            if message["msg_type"] == "execute_result":
                said.append(content["data"]["text/plain"])
            elif message["msg_type"] == "stream":
                said.append(content["text"])
            elif message["msg_type"] == "error":
                said.append(f"{content['ename']}: {content['evalue']}")

        self.client.execute_interactive(code, timeout=SECONDS, output_hook=hear)
        return "".join(said)

    def close(self):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel()


@pytest.fixture
def notebook(spec, workdir, monkeypatch):
    """Start a kernel in a folder that it may write. It is ours, too: sockets of the transport ipc are named in it."""
    opened = []

    def start(*arguments, **options):
        name = spec(*arguments)
        monkeypatch.chdir(workdir)
        opened.append(Notebook(name, workdir, **options))
        opened[-1].open()
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def sleepers(marker):
    """The processes of this host that have this word in their command line."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                if marker.encode() in file.read():
                    found.append(int(name))
        except OSError:
            continue
    return found


def soon(ask):
    """Wait until this is true."""
    deadline = time.monotonic() + 20
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_life_of_a_kernel(notebook, workdir, transport):
    """Cells run; what the policy denies is denied; a cell is interrupted; a restarted kernel is new; none is left.

    Over both transports that Jupyter has.
    """
    book = notebook(transport=transport)
    assert "2" == book.run("kept = 1; 1 + 1")
    book.run("open('made', 'w').write('by the kernel')")
    assert "by the kernel" == (workdir / "made").read_text()
    assert "PermissionError" in book.run("open('/etc/shadow')")
    assert book.run("import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)").split(":")[0] in (
        "OSError",
        "PermissionError",
    )
    assert "typed 42" == book.run("import subprocess; print('typed', 42, end='')")

    waiting = book.client.execute("print('begun', flush=True)\nimport time\ntime.sleep(60)")
    soon(lambda: book.client.get_iopub_msg(timeout=SECONDS)["content"].get("text") == "begun\n")
    book.manager.interrupt_kernel()
    reply = book.client.get_shell_msg(timeout=SECONDS)
    assert (waiting, "KeyboardInterrupt") == (reply["parent_header"]["msg_id"], reply["content"]["ename"])
    soon(lambda: "1" == book.run("kept"))  # a cell that comes while the interrupted one is cleared away is dropped

    marker = f"{70 + os.getpid() / 1e7:.7f}"
    book.run(f"import subprocess; child = subprocess.Popen(['sleep', '{marker}'], start_new_session=True)")
    soon(lambda: sleepers(marker))
    book.manager.restart_kernel()
    book.client.wait_for_ready(timeout=SECONDS)
    soon(lambda: not sleepers(marker))
    assert "NameError" in book.run("kept")

    launcher = book.manager.provisioner.pid
    book.run(f"child = __import__('subprocess').Popen(['sleep', '{marker}'], start_new_session=True)")
    soon(lambda: sleepers(marker))
    book.manager.shutdown_kernel()
    assert not os.path.exists(f"/proc/{launcher}")
    soon(lambda: not sleepers(marker))


def test_a_policy_and_variables_of_its_own(notebook, workdir, tmp_path):
    """The policy of the kernelspec is in force, and only the variables that it names get in."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"version: 1\nfilesystem_policy:\n  read_only: [{workdir}]\n")
    os.environ["OPENSHELL_TEST"] = "outside"
    try:
        book = notebook("--policy", str(policy), "--env", "OPENSHELL_TEST", "--env", "OTHER=set")
    finally:
        del os.environ["OPENSHELL_TEST"]
    assert "('outside', 'set')" == book.run("import os; os.environ['OPENSHELL_TEST'], os.environ['OTHER']")
    assert "Error" in book.run("open('made', 'w')")
    assert not (workdir / "made").exists()


def test_several_clients(notebook):
    """A second client of the same kernel, as a console beside a notebook, sees the same variables."""
    book = notebook()
    book.run("shared = 'seen'")
    other = book.manager.client()
    other.start_channels()
    try:
        other.wait_for_ready(timeout=SECONDS)
        other.execute("shared")
        assert "ok" == other.get_shell_msg(timeout=SECONDS)["content"]["status"]
    finally:
        other.stop_channels()


def test_much_goes_through(notebook):
    """A result larger than any buffer on its way arrives whole."""
    assert 3_000_000 == len(notebook().run("print('x' * 3_000_000, end='')"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_launcher_leaves_nothing(notebook, number):
    """However the launcher ends, the kernel ends, and what the kernel started."""
    book = notebook()
    marker = f"{80 + os.getpid() / 1e7:.7f}"
    book.run(f"child = __import__('subprocess').Popen(['sleep', '{marker}'], start_new_session=True)")
    soon(lambda: sleepers(marker))
    os.kill(book.manager.provisioner.pid, number)
    soon(lambda: not sleepers(marker))
    soon(lambda: not book.manager.is_alive())


def test_a_server_that_is_killed_leaves_nothing(spec, workdir):
    """The launcher looks after its server's end, too: then the kernel ends."""
    name, marker = spec(), f"{90 + os.getpid() / 1e7:.7f}"
    server = (
        "import sys, time\n"
        "from tests.confined.integrations.test_jupyter import Notebook\n"
        "book = Notebook(*sys.argv[1:3]); book.open()\n"
        "book.run(\"child = __import__('subprocess').Popen(['sleep', '\" + sys.argv[3] + \"'])\")\n"
        "print(book.manager.provisioner.pid, flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", server, name, str(workdir), marker]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stdout is not None
        launcher = next(line for line in process.stdout if line.strip().isdigit()).strip()
        process.kill()
        soon(lambda: not os.path.exists(f"/proc/{launcher}"))
        soon(lambda: not sleepers(marker))


def test_a_kernel_that_ends_itself_ends_the_launcher(notebook):
    """Jupyter sees that a kernel died by the launcher's end, with the kernel's exit status."""
    book = notebook()
    book.client.execute("import os; os._exit(9)")
    soon(lambda: not book.manager.is_alive())
    assert 9 == book.manager.provisioner.process.poll()


def test_the_kernelspec(spec, tmp_path):
    """It names this Python, the policy by its whole path, and what else was asked for."""
    (tmp_path / "policy.yaml").write_text("version: 1\n")
    name = spec("--policy", str(tmp_path / "policy.yaml"), "--gpu", "1", "--env", "A=b", "--display-name", "Boxed")
    found = KernelSpecManager().get_kernel_spec(name)
    begin = [sys.executable, "-m", "pyopenshell.integrations.jupyter", "launch", "-f", "{connection_file}"]
    assert [*begin, "--policy", f"{tmp_path}/policy.yaml", "--gpu", "1", "--env", "A=b"] == found.argv
    assert ("Boxed", "python") == (found.display_name, found.language)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["install", "--policy", "missing.yaml"], "missing.yaml: cannot read the policy"),
        (["launch", "-f", "missing.json"], "cannot read the connection file missing.json"),
        (["launch", "-f", "/dev/null"], "cannot read the connection file /dev/null"),
    ],
)
def test_what_is_wrong_is_said(arguments, says, capfd):
    """A policy or a connection file that cannot be read is a message and an exit status, before anything starts."""
    assert 4 == jupyter.main(arguments)
    assert says in capfd.readouterr().err


def test_a_policy_that_is_refused_is_said(spec, workdir, tmp_path, capfd, monkeypatch):
    """A launch that fails says why where Jupyter keeps its log."""
    (tmp_path / "policy.yaml").write_text("version: 1\nprocess: {run_as_user: no-such-user}\n")
    connection = dict.fromkeys(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), 0)
    (tmp_path / "file.json").write_text(json.dumps({**connection, "transport": "tcp", "ip": "127.0.0.1", "key": ""}))
    monkeypatch.chdir(workdir)
    status = jupyter.main(["launch", "--policy", f"{tmp_path}/policy.yaml", "-f", f"{tmp_path}/file.json"])
    assert status != 0
    assert "there is no user 'no-such-user'" in capfd.readouterr().err
