"""Programs that are sent into a sandbox as text and run there by its Python. None imports anything of ours."""
