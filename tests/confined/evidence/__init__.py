"""``make evidence``, tried in a smaller form."""
