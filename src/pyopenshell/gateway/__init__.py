"""The gateway: sandboxes that stay, kept and served over gRPC."""
