"""The C11 part of the engine: it touches Arrow batches through the Arrow C data interface and never calls Python.

`engine.streams` is its face in Python. The library is not a Python module: it is found by name and opened with ctypes,
so it needs neither Python's headers nor a build for each Python version.
"""

__all__: list[str] = []
