"""Cells in a sandboxed Jupyter kernel, run as a notebook runs them. Takes ``pip install 'pyopenshell[jupyter]'``.

    python3 examples/integrations/notebook.py

The kernelspec is written beneath a temporary folder here; without ``--prefix`` it is yours, and notebooks offer it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from jupyter_client.manager import KernelManager

from pyopenshell.integrations import jupyter

CELLS = ("1 + 1", "open('/etc/shadow')", "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)")


def show(message: dict[str, Any]) -> None:
    """Print what a notebook would show below a cell."""
    content = message["content"]
    if message["msg_type"] == "execute_result":
        print(content["data"]["text/plain"])
    elif message["msg_type"] == "error":
        print(f"{content['ename']}: {content['evalue']}")


def main() -> int:
    """Start a kernel, run the cells, and end it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JUPYTER_PATH"] = f"{folder}/share/jupyter"
        status = jupyter.main(["install", "--name", "in-a-sandbox", "--prefix", folder])
        if status != 0:
            return status
        manager: Any = KernelManager(kernel_name="in-a-sandbox")
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            for cell in CELLS:
                client.execute_interactive(cell, timeout=60, output_hook=show)
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
    return 0


if __name__ == "__main__":
    sys.exit(main())
