"""Measures a model and its pictures, each number with its uncertainty."""
