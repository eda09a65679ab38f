"""What CI runs: static checks, tests and lock files."""
