"""The networks: built, stored, loaded, drawn from and looked into."""
