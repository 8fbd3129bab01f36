"""The wire, pure: frames, their codec, the state of one connection, close codes."""
