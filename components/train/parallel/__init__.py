"""How a model is split over ranks, one file a way."""
