"""The instruments of lab 3's checks: programs of the grader's, a kernel that begins again."""
