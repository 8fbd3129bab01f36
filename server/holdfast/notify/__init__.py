"""Telling people who are not looking: the outbox and where its notices go."""
