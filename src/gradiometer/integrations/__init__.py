"""Where Gradiometer meets the tools of others. Each file only calls a session or reads a result."""
