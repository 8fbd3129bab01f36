"""What somebody may ask. Each command reads, asks the core, commits, and answers; none knows a transport."""
