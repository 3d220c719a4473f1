"""Checks of what a run needs from a cluster and storage, one file per kind, for preflight and `platen doctor`."""
