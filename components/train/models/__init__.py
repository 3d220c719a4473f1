"""Model families, one file each, and how they are written."""
