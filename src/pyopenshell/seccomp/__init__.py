"""The syscall filter: what it refuses and why, as a table, and the program made from it."""
