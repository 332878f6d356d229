"""What tests share: lakes and their oracles, faults, servers."""
