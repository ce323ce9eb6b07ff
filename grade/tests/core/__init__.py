"""Tests of what grades, reports and exits; the kernels here are two lines long."""
