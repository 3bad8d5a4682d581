"""Everything a study found, in one database: SQLite, or PostgreSQL by URL.

``results.Store`` is the way in. Only the driver of a study writes its results; other commands read,
and write control rows (leases, requests to stop).
"""
