"""The command's side of SSH: how it is started again, what OpenSSH reads, which ports are meant, what runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

import pyopenshell.__main__
from pyopenshell.cli import forward, forwards, ssh
from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.gateway.configuration import Gateway
from pyopenshell.gateway.endpoint import Endpoint

HERE = os.path.abspath(pyopenshell.__main__.__file__)


def remote(name="local", endpoint="https://127.0.0.1:17670", workspace="default", **more):
    """What is known of a gateway."""
    gateway = Gateway(name, Endpoint.parse(endpoint), **more)
    return SimpleNamespace(gateway=gateway, workspace=workspace)


def test_started_again_as_a_script(tmp_path, monkeypatch):
    """A script of that name is started again as such, from any folder."""
    script = tmp_path / "openshell"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["./openshell"])
    assert [str(script)] == ssh.command()


@pytest.mark.parametrize("argv", [HERE, "-c", "/somewhere/openshell"])
def test_started_again_by_an_interpreter(argv, monkeypatch):
    """Otherwise this interpreter runs this package."""
    monkeypatch.setattr(sys, "argv", [argv])
    command = ssh.command()
    assert (sys.executable, HERE) == (command[0], command[-1])
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, cwd="/", check=True)
    assert done.stdout.startswith("openshell ")


def test_proxy_command(monkeypatch):
    """A shell reads the words back as they are, and OpenSSH the percent signs."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/con fig/100%'")
    monkeypatch.setattr(ssh, "command", lambda: ["/a b/openshell"])
    text = ssh._proxy_command(remote(), "demo")
    assert "%" not in text.replace("%%", "")
    words = shlex.split(text.replace("%%", "%"))
    assert ["env", "XDG_CONFIG_HOME=/con fig/100%'", "/a b/openshell", "ssh-proxy"] == words[:4]
    assert ["--gateway", "local", "--workspace", "default", "demo"] == words[4:]


def test_proxy_command_without_a_registered_gateway(monkeypatch):
    """A gateway that has no name is meant by its address."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(ssh, "command", lambda: ["/openshell"])
    text = ssh._proxy_command(remote(None, "https://gw.example:443", insecure=True), "demo")
    expected = (
        "/openshell ssh-proxy --gateway-endpoint https://gw.example:443 --gateway-insecure --workspace default demo"
    )
    assert expected == text


def test_a_path_that_cannot_be_written(monkeypatch):
    """A newline cannot stand in OpenSSH's configuration: nothing is printed then."""
    monkeypatch.setattr(ssh, "command", lambda: ["/a\nb/openshell"])
    with pytest.raises(UsageError, match="newline"):
        ssh._proxy_command(remote(), "demo")
    with pytest.raises(UsageError, match="cannot be written"):
        ssh._quoted('/a"b')


def test_a_gateway_writes_no_lines_of_openssh_configuration(monkeypatch, capsys):
    """What a gateway calls a sandbox could be a command that ssh runs: nothing is printed then."""
    named = SimpleNamespace(sandbox=SimpleNamespace(metadata=SimpleNamespace(name="demo\n    ProxyCommand evil")))
    there = SimpleNamespace(**vars(remote()), title="gateway local", call=lambda *_, **__: named)
    monkeypatch.setattr("pyopenshell.cli.remote.required", lambda _: nullcontext(there))
    with pytest.raises(OpenShellError, match="no name"):
        ssh.config(Namespace(name="demo"))
    assert not capsys.readouterr().out


def test_openssh_reads_paths(tmp_path):
    """OpenSSH reads a path back that has spaces and percent signs in it."""
    if shutil.which("ssh") is None:
        pytest.skip("needs: openssh-client")
    config = tmp_path / "config"
    config.write_text(f"Host demo\n    UserKnownHostsFile {ssh._quoted('/a b/c%d')}\n")
    shown = subprocess.run(["ssh", "-G", "-F", config, "demo"], capture_output=True, text=True, check=False)
    if "No user exists" in shown.stderr:
        pytest.skip("needs: an account for whoever tests, which OpenSSH asks for")
    assert "userknownhostsfile /a b/c%d" in shown.stdout.splitlines()


def test_aliases():
    """Sandboxes of other gateways and workspaces have other names for their host keys, that OpenSSH can read."""
    gateways = [
        remote(),
        remote("other"),
        remote(None, "https://h:1"),
        remote(None, "https://h:2"),
        remote(workspace="w"),
    ]
    aliases = [ssh._alias(one, "demo") for one in gateways]
    assert len(aliases) == len(set(aliases))
    assert all(re.fullmatch(r"[a-z0-9.-]+", alias) for alias in aliases)


def test_pinned(tmp_path, monkeypatch):
    """The host key lies where ssh-config says, replaced where it is another, readable by its owner alone."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for key in ("ssh-ed25519 AAAA", "ssh-ed25519 AAAA", "ssh-ed25519 BBBB"):
        ssh._pin("demo.x", key)
        path = tmp_path / "openshell" / ssh.KNOWN_HOSTS / "demo.x"
        assert f"demo.x {key}\n" == path.read_text()
    assert 0o600 == path.stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", ("127.0.0.1", 8080, 8080)),
        ("8080:80", ("127.0.0.1", 8080, 80)),
        ("0:80", ("127.0.0.1", 0, 80)),
        ("0.0.0.0:8080", ("0.0.0.0", 8080, 8080)),
        ("localhost:8080:80", ("localhost", 8080, 80)),
        ("[::1]:8080", ("::1", 8080, 8080)),
        ("[::1]:8080:80", ("::1", 8080, 80)),
    ],
)
def test_ports(text, expected):
    """A port, one in the sandbox, and an address to listen on."""
    assert expected == forward.parsed(text)


@pytest.mark.parametrize(
    "text",
    ["", "x", "0", "65536", "80:0", "80:65536", ":80", "80:", "1:2:3", "::1:80", "-1", "８０", "1" * 5000, "80\n"],
)
def test_no_ports(text):
    """What names none is said, and how one is written."""
    with pytest.raises(UsageError, match="names no port"):
        forward.parsed(text)


def test_what_runs(tmp_path, monkeypatch):
    """Entries are listed while their process holds them; one that was left behind is removed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    entry = {"address": "127.0.0.1", "port": 8080, "sandbox": "demo"}
    left = tmp_path / "openshell" / "forwards" / "127.0.0.1-9090"
    with forwards.registered(entry) as log:
        log("a\x1b line")
        left.mkdir()
        (left / "meta.json").write_text(json.dumps({**entry, "port": 9090, "pid": 1}))
        assert [{**entry, "pid": os.getpid()}] == forwards.running()
        assert not left.exists()
        assert (left.parent / "127.0.0.1-8080" / "log").read_text().endswith("Z a\\x1b line\n")
    assert [] == forwards.running()


def test_another_process_is_not_ended(tmp_path, monkeypatch):
    """A number that is another process's by now gets no signal."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with subprocess.Popen(["sleep", "60"]) as other:
        forwards.end({"address": "127.0.0.1", "port": 8080, "pid": other.pid})
        assert other.poll() is None
        other.kill()
