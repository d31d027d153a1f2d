"""Light, movement, music."""
