"""Advice for error messages of gcloud, wrangler and the APIs."""

import pytest

from scripts.deployment.cloud.failures import DeploymentError, is_transient, next_step


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("You do not currently have an active account selected.", "gcloud auth login"),
        ("run.googleapis.com: Request had invalid authentication credentials.", "gcloud auth login"),
        ("Permission 'secretmanager.secrets.create' denied", "secretmanager.secrets.create"),
        ("violates constraint constraints/iam.disableServiceAccountKeyCreation", "worker_identity"),
        ("RESOURCE_EXHAUSTED: Quota exceeded", "quotas"),
        ("a queue with this name existed too recently", "3 days"),
        ("Image 'x/y:z' not found", "--only=images"),
        ("Revision 'headwater-chat-00001' is not ready", "run services logs read"),
        ("The execution failed.", "run jobs logs read"),
        ("necessary to set a CLOUDFLARE_API_TOKEN", "Edit Cloudflare Workers"),
        ("anything else", "completed work is not repeated"),
    ],
)
def test_permanent_failure_has_advice(output: str, advice: str) -> None:
    assert advice in next_step(output)
    assert not is_transient(output)


def test_problem_is_shown_without_control_characters_and_credentials() -> None:
    error = DeploymentError.from_output("run.googleapis.com: \x1b[2J\u202eno\nAuthorization: Bearer ya29.A0-x_Yz1234")
    assert error.problem == "run.googleapis.com: \\x1b[2J\\u202eno\nAuthorization: Bearer [secret]"
