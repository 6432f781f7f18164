"""The policies that bid: the grid-response actor and the arbitrage trader."""
