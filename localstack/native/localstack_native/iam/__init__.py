"""IAM for roles: what a request needs, what policies allow, and the refusal of the rest."""
