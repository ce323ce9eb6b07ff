"""The film: a real run of a kernel, recorded from outside step by step, and shown on a page."""
