"""Who may do what: keys, what each allows, and the file that they stand in."""
