"""Vaults of notes in the styles of eight tools, with what each tool reads in them: a reading independent of ours."""
