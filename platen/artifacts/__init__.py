"""What stages hand to each other, one module per kind."""
