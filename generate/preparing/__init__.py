"""What `prepare` is made of: checks, duplicates, cutting out the object, and the sheet of before and after."""
