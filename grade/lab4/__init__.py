"""The instruments of lab 4's checks: a program in the grader's hand, and the kernel around it."""
