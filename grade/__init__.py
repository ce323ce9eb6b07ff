"""The grader: checks that believe the machine, the runs of them, and the reports."""
