"""Vivant for applications: talk to a persona over gRPC."""
