"""Makes a batch of pictures from a prompt file."""
