"""Extensions: installed packages that add connectors, parsers and tools through entry points.

`discovery` finds them without importing them. `process` runs one in a process of its own, which imports it and serves
its `methods`.
"""
