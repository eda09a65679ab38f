"""Sources: their configuration, schedules and routes."""
