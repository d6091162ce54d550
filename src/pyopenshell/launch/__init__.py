"""From an effective policy to a running program: plan, numbered steps in the child, init, supervisor, receipt."""
