"""The stream of an answer: its log, writer, replay and wire format."""
