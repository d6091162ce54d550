"""What a runtime needs, as tables of (path, rights, reason). Proposals only: composition decides."""
