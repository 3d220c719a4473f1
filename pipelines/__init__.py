"""The graphs: content (from pictures to a release) and retrain (content again, when the monitor says so)."""
