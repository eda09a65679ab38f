"""Cloud Run jobs: executions run as processes of this machine, without containers.

- `v1`, `v2`: the two APIs, both built on `service`. `parse`, `overrides` and `conditions` are shared by them.
- `resources`: jobs, executions and tasks; `records`: their database rows.
- `execution`: runs the tasks of executions as processes.
- `logs`: reads the output of tasks.
"""
