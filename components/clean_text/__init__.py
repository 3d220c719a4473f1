"""Captions that can be trained on: repaired, in a wanted language, of a sensible length."""
