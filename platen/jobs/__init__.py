"""Work on Kubernetes."""
