"""Training on a cluster: what platen.jobs has to know of it."""
