"""Protocol buffers of our own services; `make proto` generates the modules beside them."""
