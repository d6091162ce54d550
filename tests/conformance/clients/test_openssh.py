"""OpenSSH: ``ssh``, ``scp`` and ``sftp`` of this host, with what ``ssh-config`` prints and nothing else."""

import hashlib
import os
import pwd
import shutil
import socket
import subprocess
import time

import pytest

NAME = "reached"
LARGE = os.urandom(1 << 20) * 3
SERVER = "echo through > index.html; exec python3 -m http.server --bind 127.0.0.1 8123"


class Host:
    """A sandbox, as a host that OpenSSH reaches."""

    def __init__(self, gateway, config):
        self.gateway = gateway
        (self.name,) = [line.split()[1] for line in config.read_text().splitlines() if line.startswith("Host ")]
        self.options = ["-F", str(config), "-o", "BatchMode=yes"]

    def run(self, program, *arguments, **options):
        """Run one of OpenSSH's programs, to its end."""
        return self.gateway.spawn([program, *self.options, *arguments], **options)

    def ssh(self, command, **options):
        """Run a command there."""
        return self.run("ssh", self.name, command, **options)


@pytest.fixture(scope="module")
def host(gateway, open_place):
    """A sandbox of the default policy, with a folder of its own."""
    if shutil.which("ssh") is None:
        pytest.skip("needs: openssh-client")
    if os.getuid() not in {account.pw_uid for account in pwd.getpwall()}:
        pytest.skip("needs: an account: OpenSSH asks for its caller's")
    made = gateway.run("sandbox", "create", "--name", NAME, "--workdir", "none", "--detach", "--", "sleep", "infinity")
    assert made.returncode == 0, made.stderr
    printed = gateway.run("sandbox", "ssh-config", NAME)
    assert (0, "") == (printed.returncode, printed.stderr)
    config = open_place / "ssh_config"
    config.write_text(printed.stdout)
    return Host(gateway, config)


def test_command(host):
    """Streams, input and exit code are the command's."""
    done = host.ssh("cat; echo err >&2; exit 7", input="in\n")
    assert (7, "in\n", "err\n") == (done.returncode, done.stdout, done.stderr)


def test_it_is_inside(host, open_place):
    """What the policy does not name is out of reach there."""
    secret = open_place / "secret"
    secret.write_text("secret\n")
    done = host.ssh(f"cat {secret}")
    assert (1, "") == (done.returncode, done.stdout)


def test_terminal(host):
    """A terminal is one, on both of its ends."""
    done = host.run(
        "ssh",
        "-tt",
        host.name,
        "test -t 0 && test -t 1 && echo $TERM",
        env={**host.gateway.environment, "TERM": "vt100"},
    )
    assert (0, "vt100") == (done.returncode, done.stdout.strip()), done.stderr


def test_scp(host, open_place):
    """A file there and back: content, mode and time."""
    there, back = open_place / "there", open_place / "back"
    there.write_bytes(LARGE)
    there.chmod(0o640)
    os.utime(there, (1_000_000_000, 1_000_000_000))
    sent = host.run("scp", "-p", there, f"{host.name}:copied")
    assert 0 == sent.returncode, sent.stderr
    told = host.ssh("sha256sum < copied; stat -c '%a %Y' copied").stdout.split()
    assert [hashlib.sha256(LARGE).hexdigest(), "-", "640", "1000000000"] == told
    fetched = host.run("scp", "-p", f"{host.name}:copied", back)
    assert 0 == fetched.returncode, fetched.stderr
    assert (LARGE, 1_000_000_000) == (back.read_bytes(), int(back.stat().st_mtime))


def test_sftp(host, open_place):
    """A batch of its commands."""
    batch = open_place / "batch"
    batch.write_text(f"mkdir made\nput {batch} made/batch\nrename made/batch made/moved\nls -1 made\n")
    done = host.run("sftp", "-q", "-b", batch, host.name)
    assert 0 == done.returncode, done.stderr
    assert "made/moved" in done.stdout.split()


def test_forwarded_port(host):
    """A port of this host leads to a server inside."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    leads = ["-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:8123"]
    command = ["ssh", *host.options, *leads, host.name, SERVER]
    null = subprocess.DEVNULL
    with subprocess.Popen(command, env=host.gateway.environment, stdin=null, stdout=null, stderr=null) as tunnel:
        try:
            assert b"through" in answered(port)
        finally:
            tunnel.terminate()


def answered(port, seconds=20):
    """Return what a web server behind a port answers, once there is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            if answer:
                return answer
        except OSError:
            pass
        time.sleep(0.1)
    return b""
