"""What runs agents: tools, the durable turn, the worker and the sweeper."""
