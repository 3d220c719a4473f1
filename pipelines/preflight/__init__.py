"""The first task of a run: looks whether every later one will find what it needs."""
