"""Kill a pipeline at random for as long as asked, and count its rows at the end."""
