"""The instruments of lab 6's checks: the entry area, pairs of tables, and every way in and out."""
