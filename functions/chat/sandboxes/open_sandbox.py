"""Where agents' code runs: in the service `sandbox` on Google Cloud, else in a sandbox on this system."""

from uuid import UUID

from headwater.config import Settings
from headwater.sandbox.frames import SandboxUnavailable
from headwater.sandbox.runner import CommandRunner, find_sandbox


def open_sandbox(settings: Settings, workspace_id: UUID) -> CommandRunner:
    """Return what runs the commands of a workspace. Raises SandboxUnavailable if nothing does."""
    if settings.sandbox_url:
        from headwater.sandbox.service.remote import RemoteSandbox, id_token_session

        return RemoteSandbox(settings.sandbox_url, workspace_id, id_token_session(settings.sandbox_url))
    if settings.on_cloud_run:
        # The function's own service is no place for code: it has an identity and secrets.
        raise SandboxUnavailable("Code can't be run: SANDBOX_URL is not set.")
    return find_sandbox(settings.front_end_dir)


def can_run_code(settings: Settings) -> bool:
    """Return whether agents can run code. Tries this system's sandbox once, and not the service."""
    if settings.sandbox_url or settings.on_cloud_run:
        return bool(settings.sandbox_url)
    try:
        find_sandbox()
    except SandboxUnavailable:
        return False
    return True


def can_build_pages(settings: Settings) -> bool:
    """Return whether agents can build pages: in the service, which has the packages, or with those of this system."""
    return can_run_code(settings) and bool(settings.sandbox_url or settings.front_end_dir)
