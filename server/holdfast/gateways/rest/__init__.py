"""REST: one module for each noun, one table of all routes, one description of them (OpenAPI)."""
