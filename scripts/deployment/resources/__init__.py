"""One module per kind of resource: `read_…` reads its current state, `plan_…` returns the missing commands."""
