"""What every stage of Platen shares."""

__version__ = "0.1.0"
