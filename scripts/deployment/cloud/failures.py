"""Failures: what a command or an API said flows in, whether to try again and what to do next flow out. Pure."""

import re

_ANYWAY = "mend what it says, then run the same again: what is done is not done again"

# What was made a moment ago is not known everywhere at once, and some things are changed by one at a time.
_PASSING = re.compile(
    r"service account .*does not exist|has not been used in project|SERVICE_DISABLED|concurrent policy changes"
    r"|there were concurrent|\bABORTED\b|another operation was already in progress|operation in progress"
    r"|permission denied on secret|\bUNAVAILABLE\b|internal error|quota project .* not been used"
    r"|pool .*does not exist|status=503|\b503\b.*unavailable",
    re.IGNORECASE | re.DOTALL,
)

# The first that fits tells; `{0}` is the pattern's first group.
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
        "you lack {0}: have an owner of the project run this, or give you a role that has it",
    ),
    (
        r"PERMISSION_DENIED|does not have (?:permission|\S+ access)|\b403\b",
        "have an owner of the project run this, or give you the role that it names",
    ),
    (
        r"disableServiceAccountKeyCreation|Key creation is not allowed",
        'write worker_identity = "federation" into deploy.toml: the organisation forbids keys of service accounts',
    ),
    (r"constraints?/([\w.]+)", "your organisation's policy {0} forbids it: ask who administers the organisation"),
    (
        r"RESOURCE_EXHAUSTED|[Qq]uota",
        "ask for more at https://console.cloud.google.com/iam-admin/quotas, then run again",
    ),
    (r"existed too recently", "its name is blocked for up to 3 days after it was deleted; then run again"),
    (
        r"bucket name .*not available|bucket .*already (?:own|exist)",
        "somebody has a bucket of that name, and names are worldwide: use a project with another id",
    ),
    (r"Image '?(\S+?)'? not found", "build the images: scripts/deploy --only=images"),
    (
        r"failed to start and listen|Revision '?([\w-]+)'? is not ready",
        "read why: gcloud run services logs read SERVICE --project=PROJECT --region=REGION --limit=50",
    ),
    (
        r"execution (?:has )?failed",
        "read why: gcloud run jobs logs read headwater --project=PROJECT --region=REGION --limit=50",
    ),
    (
        r"externally managed DNS|already has .*DNS record|record with that host already exists",
        "delete the DNS record of the domain at Cloudflare, which makes its own, then run again",
    ),
    (
        r"CLOUDFLARE_API_TOKEN|code: 10000|code: 9109|Authentication error",
        "make a token by the template `Edit Cloudflare Workers`; set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID",
    ),
)


class DeploymentError(Exception):
    """Deploying can't go on: what happened, and what to do next."""

    def __init__(self, what: str, next_step: str = _ANYWAY) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step

    @classmethod
    def told(cls, what: str) -> "DeploymentError":
        """Make one from what Google or Cloudflare said."""
        return cls(what, next_step(what))


def next_step(said: str) -> str:
    """Tell what to do about a failure."""
    for pattern, advice in _ADVICE:
        if found := re.search(pattern, said):
            return advice.format(*found.groups(""))
    return _ANYWAY


def is_passing(said: str) -> bool:
    """Tell whether the same command may succeed in a minute."""
    return bool(_PASSING.search(said))
