"""Verification: a probe inside a live sandbox tries what its report says, and what it must deny.

What is to be expected comes from the effective policy and the receipt alone (``attempts``), never from what the launch
did; whatever is otherwise is drift.
"""
