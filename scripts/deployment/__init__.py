"""`scripts/deploy` and `scripts/undeploy`: a configuration and a Google Cloud project flow in, what differs is changed.

    config     deploy.toml and flags → an Installation: everything that is wanted
    look       the project → Found: what is there of it (read over REST, a second for everything)
    stages     (Installation, Found) → the commands that are missing, stage by stage; pure
    run        a stage's commands → done, or a reason and what to do next

The commands are gcloud's and wrangler's own, as a person would type them; `--plan` prints those that make everything
from nothing. Nothing but Python's standard library and gcloud is needed, and for the Worker the checkout's own Node.
"""
