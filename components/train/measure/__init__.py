"""What training takes: time by part, memory, money; told while it runs, and of each attempt after it."""
