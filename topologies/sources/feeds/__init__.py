"""Live feeds as sources: ask services, keep what they answered, and send it in order of availability."""
