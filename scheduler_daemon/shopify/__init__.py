"""One shop's Admin API: its access, its queries, its rate."""
