"""Telling people who are not looking: the outbox and where its notices go.

router ──▶ a lane of each target ──▶ sender ──▶ webhook, or a hook of the app
"""
