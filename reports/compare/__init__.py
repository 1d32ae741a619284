"""The same usage under two price books."""
