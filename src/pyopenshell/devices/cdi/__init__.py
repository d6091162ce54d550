"""Specs of the Container Device Interface: read, checked and looked up (the CDI specification, versions 0.3 to 1.1)."""
