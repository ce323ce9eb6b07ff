"""What only lab 3's checks need."""
