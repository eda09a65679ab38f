"""Check that settings of the right types can work, alone and together."""

import base64
import re
from dataclasses import fields
from urllib.parse import urlsplit

from headwater.config.settings import Settings

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
"""Host names of this machine, as `urlsplit` returns them."""

_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+"
_NAME = r"""(?:"[^"\\<>@\x00-\x1f]+" ?|[^"\\<>@,:;()\x00-\x1f]+)"""
_SENDER = re.compile(rf"{_ADDRESS}|{_NAME}<{_ADDRESS}>")

_AT_LEAST_ONE = {"database_pool_size", "max_tickets", "lease_s", "watchdog_s", "max_attempts", "max_upstream_attempts"}
_AT_LEAST_ONE |= {"fetch_batch", "embed_batch", "max_job_workers", "tick_s", "threads", "long_requests"}
_AT_LEAST_ONE |= {"keep_runs_days", "keep_deleted_days", "parse_timeout_s", "parse_processes", "embedding_concurrency"}
_AT_LEAST_ONE |= {"web_pages"}


def find_problems(settings: Settings) -> list[str]:
    """Return a message for each problem."""
    problems = [f"{name.upper()}: expected at least 1" for name in sorted(_AT_LEAST_ONE) if getattr(settings, name) < 1]
    if settings.keep_audit_days < 30:
        problems.append("KEEP_AUDIT_DAYS: expected at least 30")
    if settings.secret_key and not _is_fernet_key(settings.secret_key):
        problems.append("SECRET_KEY: expected 32 bytes in URL-safe base64. Create one with `Fernet.generate_key()`")
    if settings.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        problems.append(f"LOG_LEVEL: {settings.log_level!r} is not supported. Use DEBUG, INFO, WARNING or ERROR")
    problems += _find_key_problems(settings)
    problems += _find_auth_problems(settings)
    problems += _find_web_problems(settings)
    problems += _find_trace_problems(settings)
    problems += _find_mail_problems(settings)
    if settings.fetch_proxy and not settings.fetch_proxy.startswith("http://"):
        problems.append("FETCH_PROXY: expected http://host:port")
    if not settings.fetch_contact.isprintable() or not settings.fetch_contact.isascii():
        problems.append("FETCH_CONTACT: expected a URL or e-mail address in ASCII")
    if settings.fetch_file_urls and settings.on_cloud_run:
        problems.append("FETCH_FILE_URLS: not supported on Cloud Run")
    if not settings.worker_budget_s < settings.dispatch_deadline_s:
        problems.append(
            "WORKER_BUDGET_S: must be less than DISPATCH_DEADLINE_S, or Cloud Tasks abandons working requests"
        )
    if not 15 <= settings.dispatch_deadline_s <= 1800:
        problems.append("DISPATCH_DEADLINE_S: must be from 15 to 1800, the limits of Cloud Tasks")
    return problems


def _find_trace_problems(settings: Settings) -> list[str]:
    problems = []
    if settings.traces_are_on and not _is_http(settings.otel_exporter_otlp_endpoint):
        problems.append("OTEL_EXPORTER_OTLP_ENDPOINT: expected http://… or https://…")
    if settings.traces_google_credentials and not _is_private_way(settings.otel_exporter_otlp_endpoint):
        problems.append("TRACES_GOOGLE_CREDENTIALS: needs an OTEL_EXPORTER_OTLP_ENDPOINT that begins with https://")
    return problems


def _find_mail_problems(settings: Settings) -> list[str]:
    """Find settings of mails that can't work. No problem names the password."""
    problems = []
    if settings.app_url and not _is_http(settings.app_url):
        problems.append("APP_URL: expected http://… or https://…")
    if not settings.smtp_url:
        return problems
    try:
        parts = urlsplit(settings.smtp_url)
        is_valid = parts.scheme in ("smtps", "smtp+starttls", "smtp") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        return [*problems, "SMTP_URL: expected smtps://…, smtp+starttls://… or smtp://…"]
    if parts.scheme == "smtp" and parts.password and parts.hostname not in LOOPBACK_HOSTS:
        problems.append("SMTP_URL: the password would be sent without TLS. Use smtps://… or smtp+starttls://…")
    if not _SENDER.fullmatch(settings.mail_from):
        example = "answers@example.com, Headwater <answers@example.com> or, with a comma, quotes"
        problems.append(f'MAIL_FROM: expected {example}: "Acme, Inc." <answers@example.com>')
    return problems


def _is_private_way(url: str) -> bool:
    """Return whether only the server of a URL reads what is sent to it."""
    return url.startswith("https://") or urlsplit(url).hostname in ("127.0.0.1", "localhost")


def _find_key_problems(settings: Settings) -> list[str]:
    """Find keys that can't be sent in a header, such as one that was copied with an ellipsis."""
    keys = {spec.name: getattr(settings, spec.name) for spec in fields(settings) if spec.name.endswith("_api_key")}
    broken = [name.upper() for name, key in keys.items() if not (key.isascii() and key.isprintable())]
    return [f"{name}: has characters that no key has. Copy the whole key again" for name in broken]


def _find_web_problems(settings: Settings) -> list[str]:
    problems = []
    if settings.web_search not in ("", "tavily", "brave", "google", "searxng"):
        problems.append(f"WEB_SEARCH: {settings.web_search!r} is unknown. Use tavily, brave, google or searxng")
    if settings.searxng_url and not _is_http(settings.searxng_url):
        problems.append("SEARXNG_URL: expected http://… or https://…")
    if settings.agent_steps < 2:
        problems.append("AGENT_STEPS: expected at least 2")
    if settings.sub_agent_steps < 2:
        problems.append("SUB_AGENT_STEPS: expected at least 2")
    if settings.web_pages > 20:
        problems.append("WEB_PAGES: expected at most 20")
    return problems


def _find_auth_problems(settings: Settings) -> list[str]:
    problems = []
    if settings.auth_mode not in ("local", "jwt"):
        problems.append(f"AUTH_MODE: {settings.auth_mode!r} is not supported. Use local or jwt")
    if settings.auth_mode == "local" and settings.on_cloud_run:
        problems.append("AUTH_MODE: local is not supported on Cloud Run, where it would admit every caller")
    if settings.sign_up not in ("open", "invited"):
        problems.append(f"SIGN_UP: {settings.sign_up!r} is not supported. Use open or invited")
    if settings.auth_mode == "jwt":
        missing = [name for name in ("auth_issuer", "auth_audience") if not getattr(settings, name)]
        problems += [
            f"{name.upper()}: required by AUTH_MODE=jwt, to reject tokens for other services" for name in missing
        ]
        if not settings.auth_jwks_url and not settings.auth_secret:
            problems.append("AUTH_JWKS_URL or AUTH_SECRET: AUTH_MODE=jwt requires one of them to verify tokens")
    if settings.local_token and len(settings.local_token) < 32:
        problems.append("LOCAL_TOKEN: must have at least 32 characters; shorter tokens can be guessed")
    if settings.auth_secret and len(settings.auth_secret.encode()) < 32:
        problems.append("AUTH_SECRET: must have at least 32 bytes (RFC 7518, 3.2); shorter secrets can be guessed")
    for name in ("auth_jwks_url", "google_jwks_url"):
        if (url := getattr(settings, name)) and not _is_secure(url):
            problems.append(
                f"{name.upper()}: must be https://…, or http:// on this machine, or keys could be forged in transit"
            )
    return problems


def _is_secure(url: str) -> bool:
    """Return True if responses from the URL can't be changed in transit."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
    except ValueError:
        return False


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == 32
    except ValueError:
        return False
