"""The policy, and putting it in force."""
