"""Around every call: who makes it, what becomes of its errors, and an answer for methods that nobody implements.

Handlers are wrapped once, when the server is built: gRPC's interceptors would wrap them anew for every call.
"""

from __future__ import annotations

import errno
import inspect
import logging
import secrets
import time
from contextlib import aclosing

import grpc
from google.protobuf.message import DecodeError

from pyopenshell.errors import OpenShellError, UsageError
from pyopenshell.gateway import limits, status
from pyopenshell.policy.problems import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from grpc.aio import ServicerContext

    from pyopenshell.gateway.auth import Doorkeeper

    Handlers = dict[str, grpc.RpcMethodHandler[Any, Any]]

LOG = logging.getLogger("pyopenshell.gateway")


class Refusals:
    """Logs calls that are refused, so many in a minute and the number of the others: no stranger fills our disk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin a minute."""
        self._clock = clock
        self._since = clock()
        self._count = 0

    def log(self, method: str, peer: str, why: str) -> None:
        """Log one."""
        now = self._clock()
        if now - self._since >= 60:
            if self._count > limits.REFUSALS:
                LOG.warning("refused %d more calls", self._count - limits.REFUSALS)
            self._since, self._count = now, 0
        self._count += 1
        if self._count <= limits.REFUSALS:
            LOG.warning("refused %s from %s: %s", show(method), show(peer), why)


class Malformed:
    """Stands for a request that is no message of its kind: gRPC would answer what Python's exception says."""


class Collector:
    """Takes services as a server does, for the generated ``add_…_to_server``, and keeps their methods."""

    def __init__(self) -> None:
        """Start with none."""
        self.services: dict[str, Handlers] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """Ignore: all methods come by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Handlers) -> None:
        """Keep a service's methods."""
        self.services[service] = handlers


class Methods(grpc.GenericRpcHandler):
    """All methods of a server, each wrapped; any other is answered UNIMPLEMENTED with its name."""

    def __init__(self, services: dict[str, Handlers], door: Doorkeeper) -> None:
        """Wrap the methods."""
        self._door = door
        self._refusals = Refusals()
        self._methods = {
            f"/{service}/{name}": self._wrapped(f"/{service}/{name}", handler)
            for service, handlers in services.items()
            for name, handler in handlers.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return what answers a call."""
        known = self._methods.get(handler_call_details.method)
        return known if known is not None else self._unknown(handler_call_details.method)

    def _unknown(self, method: str) -> grpc.RpcMethodHandler[Any, Any]:
        async def refuse(_requests: object, _context: object) -> NoReturn:
            raise unimplemented(method)

        return grpc.stream_stream_rpc_method_handler(self._guarded(method, refuse))

    def _wrapped(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        asks, answers = (
            ("stream" if many else "unary") for many in (handler.request_streaming, handler.response_streaming)
        )
        kind = f"{asks}_{answers}"
        behaviour = getattr(handler, kind)
        if inspect.isasyncgenfunction(behaviour):
            guarded = self._guarded(method, _written(behaviour))
        elif inspect.iscoroutinefunction(behaviour):
            guarded = self._guarded(method, behaviour)
        else:  # what protoc generates for a method that the service does not have

            async def refuse(_request: object, _context: object) -> NoReturn:
                raise unimplemented(method)

            guarded = self._guarded(method, refuse)
        read = handler.request_deserializer if handler.request_streaming else _lenient(handler.request_deserializer)
        make: Any = getattr(grpc, f"{kind}_rpc_method_handler")
        wrapped: grpc.RpcMethodHandler[Any, Any] = make(guarded, read, handler.response_serializer)
        return wrapped

    def _guarded(self, method: str, behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        door, refusals = self._door, self._refusals

        async def answer(request: Any, context: ServicerContext[Any, Any]) -> Any:
            try:
                door.admit(context)
                if request is Malformed:
                    raise UsageError("the request cannot be read as this method's message", code="request.malformed")
                return await behaviour(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                failure = told(method, error)
                code, text, trailing = status.to_rpc(failure)
                if failure.code.startswith("auth."):
                    refusals.log(method, context.peer(), failure.message)
            return await context.abort(code, text, trailing)

        return answer


def _written(behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a handler that writes what a generator yields, and ends the generator also where the client vanishes."""

    async def write(request: Any, context: ServicerContext[Any, Any]) -> None:
        async with aclosing(behaviour(request, context)) as answers:
            async for answer in answers:
                try:
                    await context.write(answer)
                except Exception as error:
                    # That a message cannot be sent may be known before it is that the call is over.
                    if not context.done() and not isinstance(error, grpc.aio.InternalError):
                        raise
                    return  # the client has just vanished: that is the end, and no defect

    return write


def _lenient(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def lenient(data: bytes) -> Any:
        try:
            return read(data)
        except DecodeError:
            return Malformed

    return lenient


def unimplemented(method: str) -> OpenShellError:
    """Return the error for a method that is not offered."""
    return OpenShellError(f"this gateway does not offer {show(method)}", code="gateway.unimplemented")


def told(method: str, error: Exception) -> OpenShellError:
    """Return what a client is told of an error. Of one that is not ours: a number under which the log has it."""
    if isinstance(error, OpenShellError):
        return error
    if isinstance(error, DecodeError):
        return UsageError("a message of the request cannot be read", code="request.malformed")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return OpenShellError(
            "the gateway has no file descriptors left",
            hint="let it have more (ulimit -n), or stop sandboxes that nobody uses",
            code="limit.descriptors",
        )
    number = secrets.token_hex(4)
    LOG.error("internal error %s in %s", number, method, exc_info=error)
    return OpenShellError(
        f"internal error {number}", code="internal", hint="the gateway's log says more; please report it as a defect"
    )
