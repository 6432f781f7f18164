"""`vpp train`, `vpp models`: train, list, promote and roll back models."""
