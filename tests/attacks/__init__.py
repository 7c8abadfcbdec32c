"""What a server is asked by those who mean it ill, and that it is none the worse for it."""
