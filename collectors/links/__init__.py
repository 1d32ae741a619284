"""A job's net namespace, its link to the node, and what of the node that needs."""
