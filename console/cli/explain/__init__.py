"""What `vpp explain` and `vpp replay-decision` do."""
