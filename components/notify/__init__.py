"""notify: the exit handler, which says how a run went."""
