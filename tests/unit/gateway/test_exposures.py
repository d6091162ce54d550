"""Services of sandboxes: what a client may ask for, which ports they have, and for how long."""

import asyncio
import json
import socket
from typing import Any

import pytest
from openshell._proto import openshell_pb2

from pyopenshell.gateway.exposures import ANNOTATION, MOST, Exposures, Service, requested
from pyopenshell.gateway.validate import FieldError


def _request(*services, **more):
    exposures = [openshell_pb2.SandboxServiceExposure(**one) for one in services]
    return openshell_pb2.CreateSandboxRequest(service_exposures=exposures, **more)


def test_requested():
    """Names, ports, and whether credentials are passed on."""
    request = _request({"target_port": 80}, {"service": "a-b", "target_port": 81, "authorization_mode": 2})
    assert (Service("", 80), Service("a-b", 81, 0, True)) == requested(request)


@pytest.mark.parametrize(
    ("services", "field"),
    [
        ([{"target_port": 0}], "service_exposures.target_port"),
        ([{"target_port": 65536}], "service_exposures.target_port"),
        ([{"service": "A", "target_port": 1}], "service_exposures.service"),
        ([{"service": "a--b", "target_port": 1}], "service_exposures.service"),
        ([{"service": "a-", "target_port": 1}], "service_exposures.service"),
        ([{"service": "a" * 20, "target_port": 1}], "service_exposures.service"),
        ([{"service": "a/..", "target_port": 1}], "service_exposures.service"),
        ([{"target_port": 1}, {"target_port": 2}], "service_exposures"),
        ([{"service": f"s{n}", "target_port": 1} for n in range(MOST + 1)], "service_exposures"),
    ],
)
def test_refused(services, field):
    """Anything else is refused by the field that is wrong."""
    with pytest.raises(FieldError) as refusal:
        requested(_request(*services))
    assert field == refusal.value.field


def test_the_annotation_is_the_gateways():
    """A client cannot say which ports it has."""
    with pytest.raises(FieldError):
        requested(_request(annotations={ANNOTATION: "[]"}))


class Row:
    """As much of a sandbox's row as is looked at."""

    id, workspace, name = "1", "default", "demo"

    def __init__(self):
        self.annotations = {}


class Box:
    """A sandbox whose programs are this process's."""

    def __init__(self):
        self.row = Row()

    def change(self, annotations):
        self.row.annotations = annotations

    def alive(self):
        return self

    async def connect_tcp(self, host, port):
        connection = socket.create_connection((host, port))
        connection.setblocking(False)
        return connection


class Engine:
    """An engine with one sandbox, until that is deleted."""

    def __init__(self, box):
        self.all = [box]
        self.on_end = []

    def boxes(self):
        return self.all

    def box(self, _workspace, _name):
        return self.all[0]


def _exposures(engine: Any) -> Exposures:
    return Exposures(engine)


async def _get(url):
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


async def _answer(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nfrom inside")
    writer.close()


def test_life():
    """A port leads inside, is the same after a restart, and is closed when its sandbox is deleted."""

    async def live():
        box = Box()
        async with await asyncio.start_server(_answer, "127.0.0.1", 0) as program:
            inside = program.sockets[0].getsockname()[1]
            exposures = _exposures(Engine(box))
            urls = await exposures.expose("default", "demo", (Service("web", inside),))
            again = await exposures.expose("default", "demo", (Service("web", inside),))
            first = await _get(urls["web"])
            await exposures.close()
            engine = Engine(box)
            exposures = _exposures(engine)
            await exposures.recover()
            second = await _get(urls["web"])
            engine.all = []
            for callback in engine.on_end:
                callback("1")
            with pytest.raises(ConnectionRefusedError):
                await _get(urls["web"])
            await exposures.close()
        assert urls == again
        assert [b"from inside"] * 2 == [one.rpartition(b"\r\n")[2] for one in (first, second)]

    asyncio.run(live())


def test_port_that_was_taken():
    """Another one is told from then on, and the sandbox goes on."""

    async def live():
        box = Box()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            box.row.annotations = {ANNOTATION: json.dumps([Service("", 80, port).as_dict()])}
            exposures = _exposures(Engine(box))
            await exposures.recover()
            (url,) = (await exposures.expose("default", "demo", ())).values()
            await exposures.close()
        assert url != f"http://127.0.0.1:{port}"

    asyncio.run(live())
