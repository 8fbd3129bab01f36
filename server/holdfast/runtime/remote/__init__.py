"""Workers in other languages: turns that are leased and written for over HTTP (docs/design/remote-workers.md)."""
