"""The settings, and the only reader of the environment."""

from headwater.config.checks import LOOPBACK_HOSTS
from headwater.config.read import (
    agent_environment,
    environment_without_settings,
    find_ignored_aliases,
    get_settings,
    minimal_environment,
    read_settings,
)
from headwater.config.settings import Settings

__all__ = [
    "LOOPBACK_HOSTS",
    "Settings",
    "agent_environment",
    "environment_without_settings",
    "find_ignored_aliases",
    "get_settings",
    "minimal_environment",
    "read_settings",
]
