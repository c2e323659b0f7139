"""The policy, and how it is put in force."""
