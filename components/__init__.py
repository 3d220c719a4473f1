"""One folder a stage; a stage never imports another."""
