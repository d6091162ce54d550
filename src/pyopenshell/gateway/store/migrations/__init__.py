"""How the tables came to be what they are. Alembic reads this folder when a store of another version is opened.

A new migration: a module in ``versions`` with the next number, and that number as ``schema.HEAD``.
"""
