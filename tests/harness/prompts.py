"""A prompt function for tests."""

CLASSIFY = """
description = "Sort a request."
prompt = "Sort this request of {{ customer }}: {{text}} {{tags}}"

[input]
type = "object"
required = ["text"]
properties.text.type = "string"
properties.customer.type = ["string", "null"]
properties.tags = { type = "array", items = { type = "string" } }

[output]
type = "object"
required = ["kind", "urgent"]
additionalProperties = false
properties.kind.enum = ["refund", "question"]
properties.urgent.type = "boolean"
properties.order = { anyOf = [{ type = "integer" }, { type = "null" }] }

[[examples]]
input = { text = "My money back!" }
output = { kind = "refund", urgent = true }

[[examples]]
input = { text = "Where is my order?" }
output = { kind = "question", urgent = false }
"""
