"""The ground floor of SmartGrid-AI: types, wire messages, topics, tables, settings and stores that every layer shares."""
