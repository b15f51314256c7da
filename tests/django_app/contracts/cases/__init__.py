"""Models that the tables of right and wrong declarations are about."""
