"""Says what a training will need, take and cost, and how to run it."""
