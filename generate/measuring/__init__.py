"""Compare pictures: distances, copies, quality, and which ones to show."""
