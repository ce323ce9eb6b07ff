"""The instruments of lab 3's checks: programs of the grader's, and a kernel that can begin
again."""
