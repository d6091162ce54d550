"""What the operator wrote: strict YAML with positions, the schema as tables, frozen models, the built-in policy."""
