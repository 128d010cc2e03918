"""Synthetic robot views with exact truth: scenes, pictures of them, facts and captions."""
