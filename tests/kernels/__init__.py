"""The tests on other kernels: Debian's own, booted under emulation, each with a copy of this checkout.

``python -m tests.kernels`` (``make test-kernels``) reads in this order: catalogue (which kernels), packages (where
from), image (what runs in them), machine (how they boot), inside (what is done there), results, table.
"""
