"""Telling owners of trouble: what the end of a run means, the mail and the command, shops that go on by themselves."""
