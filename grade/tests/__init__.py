"""The grader is itself tested: its instruments, its machinery, and its judgement."""
