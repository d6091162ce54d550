"""Supervisors: one process for each sandbox that is to stay, whoever asked for it and however that ends."""
