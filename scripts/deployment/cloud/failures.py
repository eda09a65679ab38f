"""Classify the error output of gcloud, wrangler and the APIs: whether to retry, and what the user can do. Pure."""

import re

from headwater.redaction import escape, redact

_DEFAULT_ADVICE = "fix the problem above, then run the same command again: completed work is not repeated"

# New resources take a while to be visible everywhere, and some resources reject concurrent changes.
_TRANSIENT = re.compile(
    r"service account .*does not exist|has not been used in project|SERVICE_DISABLED|concurrent policy changes"
    r"|there were concurrent|\bABORTED\b|another operation was already in progress|operation in progress"
    r"|permission denied on secret|\bUNAVAILABLE\b|internal error|quota project .* not been used"
    r"|pool .*does not exist|status=503|\b503\b.*unavailable",
    re.IGNORECASE | re.DOTALL,
)

# The first matching pattern wins; `{0}` is its first group.
_ADVICE = (
    (
        r"reauthentication|invalid_grant|active account|Invalid Credentials|invalid authentication credentials"
        r"|UNAUTHENTICATED",
        "gcloud auth login",
    ),
    (r"(?:The project|Project) .*(?:not found|does not exist)|NOT_FOUND.*projects/[^/]+$", "gcloud projects create"),
    (
        r"billing (?:account|must be|is (?:not enabled|disabled))|BILLING_DISABLED",
        "link a billing account: gcloud billing projects link PROJECT --billing-account=ACCOUNT",
    ),
    (
        r"[Pp]ermission '?([a-z]+\.[\w.]+)'? denied",
        "you lack the permission {0}: ask an owner of the project to run this, or to grant you a role that contains it",
    ),
    (
        r"PERMISSION_DENIED|does not have (?:permission|\S+ access)|\b403\b",
        "ask an owner of the project to run this, or to grant you the permission named above",
    ),
    (
        r"disableServiceAccountKeyCreation|Key creation is not allowed",
        'set worker_identity = "federation" in deploy.toml: your organisation forbids service account keys',
    ),
    (r"constraints?/([\w.]+)", "your organisation's policy {0} forbids this: ask an administrator of the organisation"),
    (
        r"RESOURCE_EXHAUSTED|[Qq]uota",
        "request a higher quota at https://console.cloud.google.com/iam-admin/quotas, then run again",
    ),
    (r"existed too recently", "the name of a deleted queue is blocked for up to 3 days; run again after that"),
    (
        r"bucket name .*not available|bucket .*already (?:own|exist)",
        "bucket names are unique worldwide and this one is in use: choose a project with another ID",
    ),
    (r"Image '?(\S+?)'? not found", "build the images: scripts/deploy --only=images"),
    (
        r"failed to start and listen|Revision '?([\w-]+)'? is not ready",
        "see the logs: gcloud run services logs read SERVICE --project=PROJECT --region=REGION --limit=50",
    ),
    (
        r"execution (?:has )?failed",
        "see the logs: gcloud run jobs logs read headwater --project=PROJECT --region=REGION --limit=50",
    ),
    (
        r"externally managed DNS|already has .*DNS record|record with that host already exists",
        "delete the domain's existing DNS record at Cloudflare, which creates its own, then run again",
    ),
    (
        r"CLOUDFLARE_API_TOKEN|code: 10000|code: 9109|Authentication error",
        "create a token (template `Edit Cloudflare Workers`); set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID",
    ),
)


class DeploymentError(Exception):
    """The deployment failed. `next_step`: what the user can do about the `problem`.

    The problem may quote a server: control characters are escaped and credentials removed.
    """

    def __init__(self, problem: str, next_step: str = _DEFAULT_ADVICE) -> None:
        super().__init__(problem)
        self.problem = escape(redact(problem))
        self.next_step = escape(next_step)

    @classmethod
    def from_output(cls, output: str) -> "DeploymentError":
        """Build an error, with advice, from the output of Google or Cloudflare."""
        return cls(output, next_step(output))


def next_step(output: str) -> str:
    """Return what the user can do about a failure."""
    for pattern, advice in _ADVICE:
        if match := re.search(pattern, output):
            return advice.format(*match.groups(""))
    return _DEFAULT_ADVICE


def is_transient(output: str) -> bool:
    """Return whether the same command may succeed within a minute."""
    return bool(_TRANSIENT.search(output))
