"""Making corpora ready: tables, integrity reports, face crops, sound files."""
