"""The effective policy: composed in one place, both what is enforced and what is shown."""
