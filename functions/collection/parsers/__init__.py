"""Parsers: one package for each built-in format, such as `markdown`.

A package's module `parser` has the function `parse` (contract: `headwater.parsers.Parser`), the media types and file
extensions that it `READS`, and its `VERSION`. `choose` finds these packages and installed extensions; `parse` runs
them.
"""
