"""Data of the demo; README.md says where it comes from."""
