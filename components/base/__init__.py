"""The model that training starts from: the user's own, or a tiny one trained on the data."""
