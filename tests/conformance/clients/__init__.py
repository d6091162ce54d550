"""Conformance with clients that others wrote: as the registry has them, against a real gateway of this checkout.

``python -m tests.conformance.clients`` (``make test-clients``) reads in this order: environments (each client's own),
gateway (what they talk to), scripts (what each does, with its public interface), test_… (what must come of it).
"""
