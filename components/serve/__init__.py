"""Serve a model over HTTP, as the OpenAI images API, with a page to try it."""
