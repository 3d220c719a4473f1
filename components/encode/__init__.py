"""Pictures to latents and captions to embeddings, once."""
