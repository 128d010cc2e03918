"""Ways to write a caption: pure functions over an engine."""
