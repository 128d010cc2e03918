"""What runs the model: the contract, and engines that keep it."""
