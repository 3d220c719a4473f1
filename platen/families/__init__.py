"""What is known of kinds of models."""
