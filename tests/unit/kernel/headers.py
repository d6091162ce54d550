"""What the kernel's installed headers say, asked from the C compiler."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

COMPILER = shutil.which("cc") or shutil.which("gcc")


def _compiler() -> str:
    if COMPILER is None:
        pytest.skip("needs: a C compiler")
    return COMPILER


def constants(includes: Iterable[str], names: Iterable[str]) -> dict[str, int]:
    """Return the values of those names that the headers define as macros; the others are not in the answer."""
    lines = [f'#ifdef {name}\nprintf("{name} %lld\\n", (long long)({name}));\n#endif' for name in names]
    return _run(includes, lines)


def expressions(includes: Iterable[str], named: dict[str, str]) -> dict[str, int]:
    """Return the values of C expressions, under the names given to them."""
    return _run(includes, [f'printf("{name} %lld\\n", (long long)({text}));' for name, text in named.items()])


def _run(includes: Iterable[str], lines: Iterable[str]) -> dict[str, int]:
    head = "".join(f"#include <{name}>\n" for name in ("stddef.h", "stdio.h", *includes))
    source = f"#define _GNU_SOURCE\n{head}int main(void) {{\n" + "\n".join(lines) + "\nreturn 0; }\n"
    with tempfile.TemporaryDirectory() as folder:
        compiled = subprocess.run(
            [_compiler(), "-x", "c", "-", "-o", f"{folder}/program"], input=source, text=True, capture_output=True
        )
        assert not compiled.returncode, compiled.stderr
        output = subprocess.run([f"{folder}/program"], text=True, capture_output=True, check=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


def system_calls(header: str, defines: Iterable[str] = ()) -> dict[str, int]:
    """Return every ``__NR_`` number of a header, by name, after the preprocessor has resolved them."""
    source = "".join(f"#define {name}\n" for name in defines) + f"#include <{header}>\n"
    run = subprocess.run([_compiler(), "-dM", "-E", "-"], input=source, text=True, capture_output=True, check=True)
    macros = {parts[1]: parts[2] for parts in map(str.split, run.stdout.splitlines()) if len(parts) == 3}
    numbers = {}
    for name, text in macros.items():
        value = text
        while value in macros:
            value = macros[value]
        if name.startswith("__NR_") and value.isdigit():
            numbers[name.removeprefix("__NR_")] = int(value)
    return numbers
