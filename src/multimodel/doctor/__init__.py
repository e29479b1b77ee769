"""What a user's machine is like, and what on it will hurt training: what `multimodel doctor` prints."""
