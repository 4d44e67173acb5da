"""Laws of every operation, written by hand, and the walk of one error from the loss to the input that uses them."""
