"""The instruments of lab 1's checks: a UART made of Python, descriptors in words, and so on."""
