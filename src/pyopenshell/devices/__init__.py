"""What hardware is here: facts about the host and an inventory of its GPU device nodes."""
