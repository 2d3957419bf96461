"""The site: routes, pages, and the deck of rendered pages. Reads releases through `gallery`."""
