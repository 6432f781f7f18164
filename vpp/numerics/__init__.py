"""Array types and the dynamic programme of one battery, shared by models and agents."""
