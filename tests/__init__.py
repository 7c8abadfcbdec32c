"""Tests of grism."""
