"""What a declaration may not say: each rule with the class, the attribute, what was found, and the fix."""
