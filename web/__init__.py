"""The site: its routes, its pages, and the deck of pages ready to be sent. Reads what `gallery` defines."""
