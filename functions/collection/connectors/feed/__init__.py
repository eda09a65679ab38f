"""The feed connector: the entries of an RSS, Atom or JSON feed."""
