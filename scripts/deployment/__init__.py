"""`scripts/deploy` and `scripts/undeploy`: compare an installation with the cloud and run the commands in between.

    plan/        deploy.toml and flags → Installation (the desired state); CloudState (the current state); Command
    cloud/       REST reads, gcloud and wrangler processes, secret values, advice for errors
    resources/   a module per kind of resource: how to read its state, and the commands that are missing
    stages       the resources in order; a stage is read, planned and run before the next one

The commands are gcloud's and wrangler's, as a person would type them; `--plan` prints all that create an installation
from nothing. Requires gcloud, Python's standard library, and the checkout's own Node for the Worker.
"""
