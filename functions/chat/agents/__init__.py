"""Agents: a language model that calls tools until it can answer, as steps of the queue `chat`.

`store` has their rows. `step` runs an agent, for a while each time. `loop` is LangChain's agent with our model
(`turns`), tools (`calls`) and checkpoints (`checkpoints`); it is imported when an agent runs.
"""
