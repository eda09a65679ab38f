"""Usage of paid services: tokens, calls, their cost and budgets."""
