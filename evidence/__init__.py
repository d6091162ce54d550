"""``make evidence``: which procfs files a sandboxed process can open for writing, measured. Not part of the package."""
