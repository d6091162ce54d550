"""NVIDIA's driver library, ``libcuda.so.1``: what it takes to start it and to ask for its devices.

Its functions are those of the CUDA driver API (``cuda.h``); each returns a ``CUresult``, 0 for success. It starts
threads that stay, and can die or hang within a call: load it only in a child made for it (``devices.probe.apart``).
"""

from __future__ import annotations

import ctypes
import os

NAME = "libcuda.so.1"
"""What programs ask the dynamic loader for."""

_INT = ctypes.POINTER(ctypes.c_int)
_TEXT = ctypes.POINTER(ctypes.c_char_p)
SIGNATURES: dict[str, tuple[object, ...]] = {
    "cuInit": (ctypes.c_uint,),
    "cuDriverGetVersion": (_INT,),
    "cuDeviceGetCount": (_INT,),
    "cuDeviceGet": (_INT, ctypes.c_int),
    "cuDeviceGetName": (ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    "cuDeviceGetUuid": (ctypes.c_char_p, ctypes.c_int),
    "cuDeviceGetUuid_v2": (ctypes.c_char_p, ctypes.c_int),
    "cuGetErrorName": (ctypes.c_int, _TEXT),
    "cuGetErrorString": (ctypes.c_int, _TEXT),
}
"""Arguments by function; a ``CUuuid`` is 16 bytes. Older libraries lack some."""
UUID_BYTES, NAME_BYTES = 16, 256


class CudaError(Exception):
    """A function answered otherwise than with 0. ``function`` and ``code`` say which, and how."""

    def __init__(self, function: str, code: int) -> None:
        """Keep the function's name and its CUresult."""
        super().__init__(f"{function}: {code}")
        self.function = function
        self.code = code


class Driver:
    """The library, loaded into this process for good."""

    def __init__(self, name: str = NAME) -> None:
        """Load it, by the loader's own search or by its path. OSError, with the loader's words, where it cannot be."""
        self._library = ctypes.CDLL(name)
        for function, arguments in SIGNATURES.items():
            found = getattr(self._library, function, None)
            if found is not None:
                found.argtypes, found.restype = arguments, ctypes.c_int

    def path(self) -> str | None:
        """Return the file that it was loaded from, as /proc/self/maps has it; None where that cannot be read."""
        try:
            with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
                paths = [line.split(maxsplit=5)[5].rstrip("\n") for line in maps if "libcuda.so" in line]
        except OSError:
            return None
        return next((path for path in paths if os.path.basename(path).startswith("libcuda.so")), None)

    def has(self, function: str) -> bool:
        """Whether this version of the library has a function."""
        return hasattr(self._library, function)

    def start(self) -> int:
        """Return what ``cuInit(0)`` returns."""
        return int(self._library.cuInit(0))

    def version(self) -> int:
        """Return the newest CUDA it serves, 1000 times the major and 10 times the minor number. Raises CudaError."""
        return self._number("cuDriverGetVersion")

    def count(self) -> int:
        """Return how many devices CUDA shows to this process. Raises CudaError."""
        return self._number("cuDeviceGetCount")

    def device(self, index: int) -> tuple[str, str | None]:
        """Return the name of a device and its UUID, of a MIG instance its own. Raises CudaError."""
        handle = self._number("cuDeviceGet", index)
        name = ctypes.create_string_buffer(NAME_BYTES)
        self._call("cuDeviceGetName", name, NAME_BYTES, handle)
        text = name.value.decode("utf-8", "replace")
        function = next((one for one in ("cuDeviceGetUuid_v2", "cuDeviceGetUuid") if self.has(one)), None)
        if function is None:
            return text, None
        raw = ctypes.create_string_buffer(UUID_BYTES)
        self._call(function, raw, handle)
        digits = raw.raw.hex()
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return text, "-".join(("MIG" if " MIG " in text else "GPU", *parts))

    def words(self, code: int) -> tuple[str, str]:
        """Return the name of a CUresult and what it means, as far as this library knows."""
        return self._text("cuGetErrorName", code) or "an error without a name", self._text("cuGetErrorString", code)

    def _text(self, function: str, code: int) -> str:
        found = ctypes.c_char_p()
        if not self.has(function) or getattr(self._library, function)(code, ctypes.byref(found)) != 0:
            return ""
        return (found.value or b"").decode("utf-8", "replace")

    def _number(self, function: str, *arguments: int) -> int:
        found = ctypes.c_int(0)
        self._call(function, ctypes.byref(found), *arguments)
        return found.value

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._library, function)(*arguments)
        if code != 0:
            raise CudaError(function, code)
