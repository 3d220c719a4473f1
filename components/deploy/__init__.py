"""Release a model that was promoted: try it in a real server, then switch the pointer."""
