"""What runs in a sandbox for ``SandboxExecutor``: take a call, make it, send back what it returned as plain data.

It is started as ``python -P -c "import _socket; door = …"`` and finds the socket from its owner in ``door``, and the
pipe to it in ``answers``. A frame is eight bytes of length, then so many bytes. The first says how to begin, each
further one is a pickled call. The pickles come from the owner, who is trusted here; the answers go to a process that
does not trust this one, so they are made of nothing but the values that ``encode`` knows (``integrations/values.py``
reads them).
"""

import _socket
import io
import os
import pickle
import struct
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 100
"""How deep values may be nested; the reader allows as much, and the answer around a value is one more level."""


def encode(value: Any, out: bytearray, depth: int = 0) -> None:
    """Append a value. Raises TypeError for what is no plain data, ValueError for what is nested too deep."""
    kind: type = type(value)
    if depth > MAX_DEPTH:
        raise ValueError(f"the result is nested more than {MAX_DEPTH} levels deep, or contains itself")
    if value is None or isinstance(value, bool):
        out += {None: b"N", False: b"F", True: b"T"}[value]
    elif kind is int:
        _sized(b"i", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True), out)
    elif kind is float:
        out += b"f" + struct.pack("<d", value)
    elif kind is complex:
        out += b"c" + struct.pack("<dd", value.real, value.imag)
    elif kind is str:
        _sized(b"s", value.encode("utf-8", "surrogatepass"), out)
    elif kind is bytes or kind is bytearray:
        _sized(b"b" if kind is bytes else b"a", value, out)
    elif kind in (list, tuple, set, frozenset):
        out += {list: b"l", tuple: b"t", set: b"e", frozenset: b"z"}[kind] + struct.pack("<Q", len(value))
        for one in value:
            encode(one, out, depth + 1)
    elif kind is dict:
        out += b"d" + struct.pack("<Q", len(value))
        for key, one in value.items():
            encode(key, out, depth + 1)
            encode(one, out, depth + 1)
    else:
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} is no plain data")


def _sized(tag: bytes, data: bytes, out: bytearray) -> None:
    out += tag + struct.pack("<Q", len(data))
    out += data


def receive(door: _socket.socket) -> bytearray | None:
    """Return the next frame, or None when the owner has closed."""
    head = _exactly(door, 8)
    return None if head is None else _exactly(door, int.from_bytes(head, "little"))


def _exactly(door: _socket.socket, size: int) -> bytearray | None:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        count = door.recv_into(view[at:])
        if not count:
            return None
        at += count
    return data


def send(answers: int, data: bytearray) -> None:
    """Send a frame. Raises BrokenPipeError when the owner has closed."""
    for part in (len(data).to_bytes(8, "little"), data):
        view = memoryview(part)
        while view:
            view = view[os.write(answers, view) :]


class Main:
    """The owner's ``__main__``, run under another name when something of it is first needed (as multiprocessing does).

    Its ``if __name__ == "__main__"`` part does not run. It is known by its text, so its file need not be readable here.
    """

    def __init__(self, told: dict[str, str] | None) -> None:
        """Take ``{"file", "source", "package"}``, or None where the owner's is no file."""
        self._told = told
        self._module: types.ModuleType | None = None

    def module(self) -> types.ModuleType:
        """Return the module. Raises what running it raises."""
        if self._module is None:
            if self._told is None:
                raise pickle.UnpicklingError("the function is of a __main__ that is no file; put it into a module")
            module = types.ModuleType("__mp_main__")
            module.__file__, module.__package__ = self._told["file"], self._told["package"]
            sys.modules["__main__"] = sys.modules["__mp_main__"] = module
            exec(compile(self._told["source"], self._told["file"], "exec"), module.__dict__)  # noqa: S102 - its purpose
            self._module = module
        return self._module


def load(data: bytes, main: Main) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
    """Return the call that the owner pickled. Raises whatever importing its parts raises."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> object:
            if module == "__main__":
                main.module()
            return super().find_class(module, name)

    function, args, kwargs = Unpickler(io.BytesIO(data)).load()
    return function, args, kwargs


def perform(data: bytes, main: Main, limit: int) -> bytearray:
    """Make the call and return the answer, encoded: at most ``limit`` bytes."""
    answer = bytearray()
    try:
        function, args, kwargs = load(data, main)
        value = function(*args, **kwargs)
    except BaseException as error:  # SystemExit too: what is not answered would be taken for a crash
        encode(("error", *describe(error)), answer)
        return answer
    try:
        encode(("value", value), answer)
        if len(answer) > limit:
            raise ValueError(f"the result takes {len(answer):,} bytes, and {limit:,} are allowed")
    except (TypeError, ValueError, RecursionError) as error:
        answer.clear()
        encode(("unfit", str(error)), answer)
    return answer


def describe(error: BaseException) -> tuple[str, str, str]:
    """Return an exception's type, message and traceback as text, without the frames of this file."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    shown = traceback.TracebackException.from_exception(error)
    while shown.stack and shown.stack[0].filename == __file__:
        del shown.stack[0]
    return name, _text(error), "".join(shown.format())[-65536:]


def _text(error: BaseException) -> str:
    try:
        return str(error)[:65536]
    except Exception:  # an exception's own __str__ may raise
        return ""


def serve(door: _socket.socket, answers: int) -> None:
    """Answer calls until the owner closes. What tasks read is empty, what they print goes where the owner's does."""
    kept = _socket.socket(fileno=os.dup(door.fileno()))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    door.detach()
    begin = receive(kept)
    if begin is None:
        return
    told = pickle.loads(begin)  # noqa: S301 - it comes from the owner
    sys.path[:] = told["path"]
    main = Main(told["main"])
    data: bytes | bytearray | None = told["initializer"] or receive(kept)
    while data is not None:
        answer = perform(bytes(data), main, told["limit"])
        try:
            send(answers, answer)
        except BrokenPipeError:  # nobody waits for it any more
            return
        sys.stdout.flush()  # noqa: TID251 - the owner's reader should not wait for more
        data = receive(kept)
