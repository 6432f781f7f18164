"""The write side: propose, hold, execute, ask the person."""
