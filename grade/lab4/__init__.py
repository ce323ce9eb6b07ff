"""What the checks of lab 4 share: a program in the grader's hand, and the kernel around it."""
