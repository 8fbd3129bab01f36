"""What somebody may ask, each: read, ask the core, commit, answer. No transport."""
