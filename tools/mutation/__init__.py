"""Measures how strong the tests are: changes the code in one place at a time, and counts which changes a test notices.

`python -m tools.mutation` runs it; docs/why/strength-of-tests.md has the figures and the changes that no test notices.
cosmic-ray keeps the session and makes most of the mutants; `operators` adds those that matter for a ledger.
"""
