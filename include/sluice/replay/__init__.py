"""Read files again: their rows are replaced in one commit, and silver follows."""
