"""Automations: one file each."""
