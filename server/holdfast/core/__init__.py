"""The rules of Holdfast, pure: no I/O, no clock, no randomness, no asyncio."""
