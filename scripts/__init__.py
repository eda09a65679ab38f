"""What people and CI call: `dev`, `test`, `check`, `lock`, and the modules behind them."""
