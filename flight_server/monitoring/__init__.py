"""What runs in the server, and what ran lately: seen by operators, and stopped by them."""
