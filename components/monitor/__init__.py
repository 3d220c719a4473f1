"""Watch a live model: read its request log, and say whether to keep it or to train again."""
