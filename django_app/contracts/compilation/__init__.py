"""From a declaration to its contract: columns, view and policy. What may not be declared is refused in `validation`."""
