"""What the chapters of the transfer-learning course share."""
