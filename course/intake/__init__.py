"""Take in a learner's own files: check, keep copies together, split, lay out as bundled."""
