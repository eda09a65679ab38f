"""Connectors: one package for each built-in kind of source.

The package's name is the kind. Its module `connector` binds the class that implements `headwater.connectors.Connector`
to the name `CONNECTOR`; nothing else refers to the package. `registry` finds these packages and installed extensions.
"""
