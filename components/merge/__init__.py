"""Texts and pictures joined again: duplicates out, splits, the data card."""
