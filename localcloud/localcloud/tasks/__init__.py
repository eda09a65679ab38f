"""Cloud Tasks v2: queues that keep HTTP requests and make them, again and again, until they succeed.

`api` has the methods; `parse` and `render` turn Google's JSON into `resources` and back; `records` keeps those as
rows; `dispatch` makes the requests, by the pure rules of `attempt` (what is sent, what an answer means) and `pacing`
(how fast).
"""
