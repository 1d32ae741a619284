"""Templates of the HTML renderings; everything in them is escaped."""
