"""Decides whether a model may go live."""
