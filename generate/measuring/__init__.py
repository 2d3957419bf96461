"""What pictures look like to a network: distances, copies, quality, and what of it to show."""
