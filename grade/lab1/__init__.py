"""What only the checks of lab 1 need: a UART made of Python, descriptors in words, and so on."""
