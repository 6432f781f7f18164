"""The ground floor of SmartGrid-AI: types, messages, topics, tables, settings and stores that all share."""
