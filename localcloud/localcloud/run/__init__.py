"""Cloud Run jobs: executions run as processes of this machine, since there are no containers.

`api_v2` and `api_v1` are the two APIs that clients speak, both over the one `service`; `parse_*` and `render_*` turn
their JSON into `resources` and back. `records` keeps those as rows, `execute` runs executions, by the pure rules of
`attempt` (what is run, what an exit means) and `images` (which command stands for an image); `process` starts and ends
processes, and `leash` ends them should this program die. `logs` reads what they wrote.
"""
