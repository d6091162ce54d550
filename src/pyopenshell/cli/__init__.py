"""The command, one file per verb group: the only place that prints or exits."""
