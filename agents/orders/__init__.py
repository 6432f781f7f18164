"""Orders of operators and agents: admission, approval, budget and price."""
