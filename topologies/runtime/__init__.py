"""What runs a reducer: worker, runner, in-process chain, store sink, status."""
