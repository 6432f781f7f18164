"""Topics, the shape of a stateful step, and the clients of the broker."""
