"""Reference networks whose hop gain is known in closed form."""
