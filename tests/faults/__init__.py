"""The daemon under faults: real processes, and an oracle that knows what must have happened."""
