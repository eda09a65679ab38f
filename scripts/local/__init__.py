"""The local stack: Postgres, localcloud, the functions and the Worker on one machine."""
