"""The command from end to end: what a whole run does, writes down, says and answers."""
