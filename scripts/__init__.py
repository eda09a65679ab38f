"""The modules behind the scripts that developers and CI run."""
