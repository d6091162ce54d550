"""Launches by the hundred, ended at every instant by everybody who can end them: nothing hangs, nothing is left behind.

How much is tried is small by default and full with ``OPENSHELL_TORTURE=full`` (``make torture``), where
``OPENSHELL_TORTURE_SEED`` names the seed of the instants; else the instants are always the same.
"""
