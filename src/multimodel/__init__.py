"""MultiModel: one network that learns speech, images, captions, parsing and translation together (arXiv 1706.05137)."""
