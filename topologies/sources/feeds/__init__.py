"""Live feeds as sources: request data from services, archive the answers, and send them in order of availability."""
