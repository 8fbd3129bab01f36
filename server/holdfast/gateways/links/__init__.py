"""Links: a page on which one person answers one interrupt, once, without being signed in."""
