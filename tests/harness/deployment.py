"""Installations and helpers for tests of deployment plans."""

from collections.abc import Iterator
from dataclasses import replace

from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.installation import Installation, Limits
from scripts.deployment.resources.secrets import secrets
from scripts.deployment.stages import NAMES, from_nothing

SUPABASE = Installation(
    project="acme-headwater",
    region="europe-west1",
    domain="ask.example.com",
    database="supabase",
    tag="t1",
    schema="0005",
)
CLOUDSQL = replace(SUPABASE, database="cloudsql", owner="owner@example.com", limits=Limits(budget="50EUR"))
VERSIONS = {secret.name: "1" for secret in secrets(SUPABASE)}
"""A version of each of Supabase's secrets."""


def lines(commands: list[Command]) -> list[str]:
    """Return commands as they are printed."""
    return [command.line() for command in commands]


def flag(command: Command, name: str) -> str:
    """Return the value of a command's flag."""
    [value] = [each.partition("=")[2] for each in command.arguments if each.startswith(f"--{name}=")]
    return value


def all_commands(installation: Installation) -> Iterator[Command]:
    """Yield every command of a plan from nothing."""
    for _, commands in from_nothing(installation, NAMES):
        yield from commands
