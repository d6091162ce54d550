"""The kernel's interfaces, one file each: the only package that imports ctypes. It knows no policy."""
