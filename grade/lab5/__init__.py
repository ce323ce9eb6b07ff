"""What the checks of lab 5 have in common."""
