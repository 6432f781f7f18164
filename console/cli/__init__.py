"""The `vpp` command line."""
