"""A product of two matrices on the GPU, by PyTorch where that is installed: the proof that CUDA works.

PyTorch is another program's library: its interpreter is looked for, and it is never imported here.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pyopenshell.devices.probe import apart
from pyopenshell.devices.probe.steps import FAILED, NOT_TRIED, OK, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME = "PyTorch"
SIZE = 1024
INTERPRETERS = ("python3", "python")
LOOK_SECONDS = 30.0
"""How long an interpreter may take to say whether it has PyTorch."""

# The current folder is the first place that ``-c`` imports from; what lies there must not be taken for a module.
_SAFE = "import sys\nsys.path[:] = [path for path in sys.path if path]\n"
_LOOK = _SAFE + (
    "import importlib.util, json\nprint()\nprint(json.dumps({'has': importlib.util.find_spec('torch') is not None}))\n"
)
# Small whole numbers: every product and every sum is exact, whatever precision the GPU multiplies with.
_PRODUCT = (
    _SAFE
    + f"""
import json
def tell(**words):
    print()
    print(json.dumps(words), flush=True)
try:
    tell(at="while importing torch")
    import torch
    tell(version=torch.__version__, cuda=torch.version.cuda, at="while starting CUDA")
    if torch.version.cuda is not None:
        numbers = torch.arange({SIZE} * {SIZE})
        first = (numbers * 7 % 5).reshape({SIZE}, {SIZE}).float()
        second = (numbers * 3 % 4).reshape({SIZE}, {SIZE}).float()
        device = torch.device("cuda")
        on_gpu = first.to(device)
        tell(device=torch.cuda.get_device_name(device), at="in the product")
        answer = (on_gpu @ second.to(device)).cpu()
        tell(at="while comparing the product")
        tell(right=bool(torch.equal(answer, first @ second)))
except Exception as error:
    tell(problem=f"{{type(error).__name__}}: {{error}}")
"""
)


def search(program: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the interpreter to try: the one named, else the first that has PyTorch, our own in front; else None."""
    if program is not None:
        return program
    for candidate in dict.fromkeys((sys.executable, *_on_path(environ))):
        if apart.execute([candidate, "-c", _LOOK], LOOK_SECONDS).told.get("has"):
            return candidate
    return None


def multiply(program: str | None, limit: float) -> Step:
    """Make a product on the GPU with the interpreter named, or with the first that has PyTorch, and check it."""
    chosen = search(program, os.environ)
    if chosen is None:
        return Step(NAME, NOT_TRIED, "no Python on PATH has PyTorch: --python names another")
    ended = apart.execute([chosen, "-c", _PRODUCT], limit)
    told = ended.told
    found = {"python": chosen} | {key: told[key] for key in ("version", "cuda", "device") if key in told}
    if "right" in told and not ended.death:
        what = f"a {SIZE} x {SIZE} product on {told['device']}"
        message = f"{what}, by PyTorch {told['version']} of {chosen}"
        status = OK if told["right"] else FAILED
        return Step(NAME, status, message if told["right"] else f"{message}, is wrong", ended.seconds, found=found)
    if "version" in told and told["cuda"] is None and not ended.death:
        return Step(NAME, NOT_TRIED, f"PyTorch {told['version']} of {chosen} was built without CUDA", found=found)
    message = told.get("problem") or f"{chosen} {ended.death or 'said nothing'} {told.get('at', '')}".rstrip()
    return Step(NAME, FAILED, str(message).splitlines()[0], ended.seconds, found=found)


def _on_path(environ: Mapping[str, str]) -> Iterator[str]:
    """Return the interpreters on PATH, in its order; an entry that is not absolute is passed over."""
    for folder in environ.get("PATH", "").split(":"):
        for name in INTERPRETERS:
            path = f"{folder}/{name}"
            if folder.startswith("/") and os.path.isfile(path) and os.access(path, os.X_OK):
                yield path
