"""What evaluate measures: one module per metric."""
