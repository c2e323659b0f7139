"""The lifetimes of loops, and of the resources that belong to a loop."""
