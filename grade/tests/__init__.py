"""The grader's own tests."""

# Seconds that a test waits for something that must happen. Where it does not, the test has found a
# hang; however busy the computer is, nothing takes so long.
HANGING = 900.0
