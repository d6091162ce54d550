"""Audit events: what happened to a sandbox, in OCSF and in one line for people (docs/audit.md)."""
