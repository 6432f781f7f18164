"""The net-load model: linear stages, trees on their residual, interval width, trailing errors."""
