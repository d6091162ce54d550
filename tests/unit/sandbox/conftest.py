"""Zygotes that do not do what they should: small programs, started as the real one is."""

import os

import pytest

import pyopenshell
from pyopenshell.zygote import client, started

PRELUDE = """\
import _socket, marshal, os, select, sys
sys.path.insert(0, {source!r})
from pyopenshell.zygote import protocol
door = _socket.socket(fileno=protocol.DOOR)

def frames(connection):
    "Yield frames as they come, until the end."
    reader = protocol.Reader(connection)
    while not reader.ended:
        select.select([connection], [], [])
        yield from reader.take()

def connections():
    "Yield connections as they come."
    for kind, payload, descriptors in frames(door):
        yield _socket.socket(fileno=descriptors[0])

READY = {{"name": "fake", "run_id": "01", "record": {record!r}, "pid": os.getpid()}}
"""


@pytest.fixture
def zygote(tmp_path, monkeypatch):
    """Return a function that makes this program the zygote of this process, for one test."""
    source = os.path.dirname(os.path.dirname(os.path.abspath(pyopenshell.__file__)))

    def use(program):
        script = tmp_path / "zygote.py"
        script.write_text(PRELUDE.format(source=source, record=str(tmp_path)) + program)
        monkeypatch.setattr(started, "SCRIPT", str(script))

    monkeypatch.setattr(client, "_zygotes", {})
    monkeypatch.setattr(client, "_retired", [])
    yield use
    for one in (*client._zygotes.values(), *client._retired):
        one.end()
