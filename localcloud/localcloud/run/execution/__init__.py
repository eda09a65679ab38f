"""Runs executions: tasks as processes of this machine, their commands, environment, retries and clean-up."""
