"""Plugins for the open edition of LocalStack that replace Docker: see README.md."""
