"""Shared base of SmartGrid-AI: types, messages, topics, tables, settings and stores."""
