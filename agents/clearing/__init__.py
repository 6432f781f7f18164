"""The look-ahead economic dispatch: problem, linear and stochastic programmes, curves, checker."""
