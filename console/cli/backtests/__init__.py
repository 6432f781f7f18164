"""What `vpp backtest` and `vpp shadow` do."""
