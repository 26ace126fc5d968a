"""Studies on a Ray cluster: submitted as jobs, driven there, looked at from here."""
