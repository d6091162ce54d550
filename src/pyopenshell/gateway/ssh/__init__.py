"""SSH into sandboxes: a server for each connection, over a stream of the gateway's; it listens nowhere."""
