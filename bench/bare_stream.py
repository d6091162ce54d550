"""What bounds a gateway's streams: a grpc.aio server that does nothing but stream, over a gateway's TLS.

    python bare_stream.py TLS-FOLDER PIECE COUNT

Prints its port. Every call of ``/bench.Bare/Stream`` is answered by so many pieces of a program's output.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
from openshell._proto import openshell_pb2

Event = openshell_pb2.ExecSandboxEvent


async def main(folder: str, piece: int, count: int) -> None:
    """Serve until this process is ended."""
    data = bytes(piece)

    async def stream(_request: bytes, _context: Any) -> AsyncIterator[Event]:
        for _ in range(count):
            yield Event(stdout={"data": data})

    read = {}
    for name in ("server.key", "server.crt", "ca.crt"):
        with open(f"{folder}/{name}", "rb") as file:
            read[name] = file.read()
    credentials = grpc.ssl_server_credentials(
        [(read["server.key"], read["server.crt"])], read["ca.crt"], require_client_auth=True
    )
    handler: Any = grpc.unary_stream_rpc_method_handler(stream, None, Event.SerializeToString)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Bare", {"Stream": handler})])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
