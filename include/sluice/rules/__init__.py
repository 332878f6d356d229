"""From facts to findings: each rule once, for preflight, audit and repair."""
