"""What container engines say when a GPU does not start, as data: pattern, cause, the steps to recover, source."""
