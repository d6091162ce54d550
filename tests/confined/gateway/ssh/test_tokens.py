"""Who gets into which sandbox: tokens, streams that lie, host keys, and what ends a connection."""

import os
import re
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import asyncssh
import grpc
import pytest
from openshell._proto import openshell_pb2 as messages

from pyopenshell.gateway.ssh.server import LOGIN
from tests.confined.gateway.ssh.tools import SECONDS, begun, found, make, openshell

PORT = {"target": {"tcp": messages.TcpRelayTarget(host="127.0.0.1", port=7777)}}
DENIED, INVALID = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT


def session(service, name="alpha"):
    """Return a token for a sandbox."""
    return service.CreateSshSession(messages.CreateSshSessionRequest(sandbox=name)).token


def init(token, name="alpha", **more):
    """Return the first frame of a stream to a sandbox's SSH server."""
    target = more.pop("target", {"ssh": messages.SshRelayTarget()})
    return frame(init=messages.TcpForwardInit(sandbox=name, authorization_token=token, **target, **more))


def frame(**fields):
    """Return a frame."""
    return messages.TcpForwardFrame(**fields)


def answered(service, *frames):
    """Send frames and then nothing more; return what is answered, and the status."""
    received = b""
    try:
        for answer in service.ForwardTcp(iter(frames), timeout=SECONDS):
            received += answer.data
    except grpc.RpcError as error:
        return received, error.code(), error.details()
    return received, grpc.StatusCode.OK, ""


@pytest.mark.parametrize("target", [{}, PORT])
def test_tokens_open_one_sandbox(service, config, target):
    """Without the right token not a byte is answered: none, a wrong one, another sandbox's, a revoked one."""
    make(service, "beta")
    try:
        good, other = session(service), session(service, "beta")
        service.RevokeSshSession(messages.RevokeSshSessionRequest(token=good))
        for text, name, code in (
            ("", "alpha", grpc.StatusCode.UNAUTHENTICATED),
            ("wrong", "alpha", DENIED),
            ("x" * 5000, "alpha", DENIED),
            (other, "alpha", DENIED),
            (good, "alpha", DENIED),
            (good, "beta", DENIED),
        ):
            received, status, _ = answered(service, init(text, name, **target), frame(data=b"SSH-2.0-x\r\n"))
            assert (b"", code) == (received, status)
        missing = grpc.StatusCode.NOT_FOUND
        assert missing == answered(service, init(other, "beta", workspace="elsewhere", **target))[1]
        assert missing == answered(service, init(other, "nobody", **target))[1]
    finally:
        service.DeleteSandbox(messages.DeleteSandboxRequest(name="beta"))
    assert grpc.StatusCode.NOT_FOUND == answered(service, init(other, "beta", **target))[1]
    make(service, "beta")  # another one of that name
    try:
        assert (b"", DENIED) == answered(service, init(other, "beta", **target))[:2]
    finally:
        service.DeleteSandbox(messages.DeleteSandboxRequest(name="beta"))


def test_streams_that_lie(service, config):
    """What is no proper beginning, and what comes where it may not, ends the stream with words."""
    token = session(service)
    greeting = frame(data=b"SSH-2.0-x\r\n")
    nothing = messages.TcpForwardInit(sandbox="alpha", authorization_token=token)
    for frames, words in (
        ((), "ended before"),
        ((greeting,), "must be init"),
        ((frame(),), "must be init"),
        ((frame(init=nothing),), "must be init"),
        ((init(token), init(token)), "one init"),
        ((init(token), frame(data=b"x" * (1 << 20) + b"x")), "at most"),
    ):
        _, code, details = answered(service, *frames)
        assert (True, True) == (code in (INVALID, grpc.StatusCode.RESOURCE_EXHAUSTED), words in details), details
    received, code, _ = answered(service, init(token), frame(data=b"GET / HTTP/1.1\r\n\r\n" * 1000))
    assert (b"SSH-2.0-openshell\r\n", grpc.StatusCode.OK) == (received[:19], code)


def test_revoking(service, config):
    """Revoking a token ends what it opened, at once; who revokes again is told that it was gone."""
    token = session(service)
    sent = threading.Event()

    def frames():
        yield init(token)
        yield frame(data=b"SSH-2.0-x\r\n")
        sent.wait(SECONDS)

    stream = service.ForwardTcp(frames(), timeout=LOGIN / 2)  # else the handshake would have ended it
    assert next(stream).data.startswith(b"SSH-2.0")
    revoke = messages.RevokeSshSessionRequest(token=token)
    assert messages.DELETION_OUTCOME_COMPLETED == service.RevokeSshSession(revoke).outcome
    list(stream)  # ends
    sent.set()
    with pytest.raises(grpc.RpcError, match="no such SSH session"):
        service.RevokeSshSession(revoke)
    revoke.allow_missing = True
    assert messages.DELETION_OUTCOME_ALREADY_ABSENT == service.RevokeSshSession(revoke).outcome


def test_stopped_deleted_made_anew(service, config, place):
    """A sandbox that ends takes its connections along; a new one of its name has another key, which ssh learns."""
    first = make(service, "gamma")
    path = place / "gamma"
    path.write_text(openshell("sandbox", "ssh-config", "gamma"))
    with begun(path, "gamma", "echo ready; exec sleep 1000") as (client, output):
        assert b"ready\n" == output.readline()
        service.StopSandbox(messages.StopSandboxRequest(name="gamma"))
        _, errors = client.communicate(timeout=SECONDS)
    assert 255 == client.returncode
    assert re.search(rb"sandbox (gamma was stopped|has ended)", errors), errors
    refused = subprocess.run(["ssh", "-F", path, "gamma", "true"], capture_output=True, timeout=SECONDS)
    assert (255, True) == (refused.returncode, b"does not run" in refused.stderr), refused.stderr
    service.DeleteSandbox(messages.DeleteSandboxRequest(name="gamma"))
    second = make(service, "gamma")
    assert first.host_key_fingerprint != second.host_key_fingerprint
    again = subprocess.run(["ssh", "-F", path, "gamma", "echo again"], capture_output=True, timeout=SECONDS)
    assert (0, b"again\n") == (again.returncode, again.stdout), again.stderr
    service.DeleteSandbox(messages.DeleteSandboxRequest(name="gamma"))


def test_key_is_checked(ssh, config, place):
    """Nobody is spoken to who has not the key that the gateway told."""
    line = found(r'UserKnownHostsFile "(.*)"', Path(config).read_text())
    assert 0 == ssh("alpha", "true", alone=True).returncode
    known = Path(line.replace("%%", "%")).read_text()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    wrong = place / "wrong"
    wrong.write_text(f"{known.split()[0]} {other}")
    done = ssh("-o", f"UserKnownHostsFile={wrong}", "alpha", "true", alone=True)
    assert (255, True) == (done.returncode, b"REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr)


def test_proxy_leaves_no_token(service, config, ssh):
    """What ssh-proxy asked for, it gives back when ssh ends."""
    before = tokens()
    assert 0 == ssh("alpha", "true", alone=True).returncode
    end = time.monotonic() + SECONDS
    while tokens() > before:  # ssh does not wait for it
        assert time.monotonic() < end


def tokens():
    """Return how many tokens are good."""
    with closing(sqlite3.connect(f"{os.environ['XDG_STATE_HOME']}/openshell/gateway/store.sqlite")) as store:
        return store.execute("SELECT count(*) FROM tokens WHERE revoked IS NULL").fetchone()[0]
