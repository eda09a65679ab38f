"""Run commands that a model wrote, in a sandbox: no network, identity, secret or file but the given ones, and limits.

Callers use `runner`. `supervisor` runs in a process of its own: it mounts the sandbox's disk, starts the command with
bubblewrap (`bubblewrap`) or by system calls (`launcher`), enforces the limits and returns the files.
"""
