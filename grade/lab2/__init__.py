"""The instruments of lab 2's checks: memory maps, page tables, models of both."""
