"""Streaming topologies and sources: each module wires pure steps to topics and runs as a process."""
