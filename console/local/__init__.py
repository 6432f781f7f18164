"""The local runtime: embedded broker and supervisor behind `vpp up`."""
