"""Usage of models: metering of answers, reports and budgets."""
