"""Schedules: cron expressions, and the standing questions that are due."""
