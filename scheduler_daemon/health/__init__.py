"""Whether the daemon is well: what is counted, what is wrong, the state file, the signs of life."""
