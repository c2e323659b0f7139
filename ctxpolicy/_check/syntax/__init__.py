"""Analysis of syntax trees: scopes, the meaning of names, and the conditions under which statements run."""
