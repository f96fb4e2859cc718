"""The machinery of the course: what runs around the chapters. It stands on `helpers`."""
