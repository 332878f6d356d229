"""Who drives a query, and how it is asked to stop: leases, stop requests, signals."""
