"""Model artifacts: train, save, load and identify them."""
