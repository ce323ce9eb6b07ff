"""The grader tested by whole kernels: the reference, starters, parrots, a zoo of bugs."""
