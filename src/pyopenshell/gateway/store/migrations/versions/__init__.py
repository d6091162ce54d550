"""One module for each step. What was released is never changed, only followed by another."""
