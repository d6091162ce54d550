"""Ways out of a sandbox, each closed or reported: the whole command on the real kernel."""
