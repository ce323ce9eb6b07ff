"""Tests of what the Makefile calls, on small trees and with fake commands."""
