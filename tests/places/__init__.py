"""What a sandbox is where the command itself runs in a confined place: a container, a restricted user namespace."""
