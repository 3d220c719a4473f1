"""Optimizer, learning rate, average of the weights."""
