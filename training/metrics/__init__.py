"""What scores are worth, from labels and scores alone; every figure with its interval."""
