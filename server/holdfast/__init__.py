"""Holdfast: an agent's conversation with a life of its own."""
