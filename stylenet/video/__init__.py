"""Videos and cameras: reading, stylizing frame by frame, steadiness, writing."""
