"""The program that is watched: it starts CUDA and counts devices, and marks which part begins. It needs no package.

Usage: ``python3 start_cuda.py LIBRARY``. Prints cuInit's answer, the count's, and the count. What ``evidence/calls.py``
calls a marker is a file that does not exist.
"""

import ctypes
import os
import sys


def mark(part: str) -> None:
    """Say that this part begins."""
    try:
        os.open(f"/openshell-marker/{part}", os.O_RDONLY)
    except FileNotFoundError:
        pass


mark("loading the library")
library = ctypes.CDLL(sys.argv[1])
mark("cuInit(0)")
code = library.cuInit(0)
mark("cuDeviceGetCount")
count = ctypes.c_int(-1)
counted = library.cuDeviceGetCount(ctypes.byref(count))
mark("end")
print(code, counted, count.value)
