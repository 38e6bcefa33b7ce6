"""Who is asking: from the ``Authorization`` header to a role and claims.

keys   the configured secret as keys
token  a token's signature, checked by them
cache  tokens that have been checked, kept
jose   the same for tokens as PostgREST 12 read them
claims the times and audience a token names
role   where in the claims the role stands
"""
