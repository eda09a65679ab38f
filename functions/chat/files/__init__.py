"""The files of a conversation: what a person has attached, and what agents have written."""
