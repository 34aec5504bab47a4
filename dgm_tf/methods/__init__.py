"""How forgetting is avoided: one idea a file, behind the hooks of `method.Method`."""
