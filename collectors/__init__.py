"""Worker-node part: what is measured on a node and written into the job ad."""
