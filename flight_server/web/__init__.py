"""What the server shows over HTTP: metrics, health, and a page for people."""
