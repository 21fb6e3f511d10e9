"""What the commands of ``app.cli`` do."""
