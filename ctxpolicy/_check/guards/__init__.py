"""What the code around a place guards it against."""
