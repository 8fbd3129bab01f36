"""Translators between the outside and commands; they have no rules of their own."""
