"""Files of a sandbox, as the gateway reads and writes them: through an agent inside, never by itself."""
