"""Ways into a sandbox for programs that know another interface already; none of them needs a server.

``subprocess`` and ``executor`` stand in for the standard library's ``subprocess`` and ``concurrent.futures``,
``pytest_plugin`` runs marked tests in sandboxes of their own, ``jupyter`` starts kernels in one. All are built on
``pyopenshell.Sandbox`` alone. What they send into a sandbox lies in ``inside``; nothing there imports pyopenshell,
which a sandbox need not be able to read. What comes back out is data from a stranger: bounded, checked, never
unpickled.
"""
