"""Cloud Scheduler v1: jobs that make an HTTP request whenever their schedule says so.

`api` has the methods; `parse` and `render` turn Google's JSON into `resources` and back; `records` keeps those as rows;
`dispatch` makes the requests at the times that `cron` gives, by the pure rules of `attempt` (what is sent, what an
answer means). `targets` answers the requests that are for Google's own APIs without leaving this process.
"""
