"""The zoo: endpoints that break one rule each and are right in everything else.  So we know that a case can fail."""
