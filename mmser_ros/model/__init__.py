"""The model in torch: one file a part."""
