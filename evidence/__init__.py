"""What is measured: procfs files that open for writing, and what starting CUDA asks for. Not part of the package."""
