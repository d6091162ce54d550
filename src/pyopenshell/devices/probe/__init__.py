"""Start CUDA here, step by step, and find what it lacks: ``openshell gpu probe``.

In reading order: ``apart`` (a step in a child of its own), ``library`` (where the driver library is), ``steps``,
``product`` (PyTorch), ``attempt`` and ``needs`` (what CUDA is known to need, tried one by one), ``probing`` (all).
"""
