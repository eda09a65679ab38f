"""Send the answers to standing questions: to callbacks and by mail."""
