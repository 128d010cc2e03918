"""Training the built-in model on the world."""
