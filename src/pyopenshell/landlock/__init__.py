"""What a sandbox may do, in Landlock's rights: the table, the downgrade to a kernel's ABI, the ruleset."""
