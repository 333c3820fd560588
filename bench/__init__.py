"""Measurement: cost, latency, training, records and suites. Importing this package imports no torch."""
