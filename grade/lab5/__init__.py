"""The instruments of lab 5's checks: processes of the grader's, and what becomes of them."""
