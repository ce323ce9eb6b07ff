"""What only the checks of lab 2 need: memory maps, page tables, models of both."""
