"""Connections to other servers: time limits for whole exchanges, and a guard against private addresses."""
