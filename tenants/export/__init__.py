"""Export of a tenant's register: everything that was sealed, with what proves it, in a form that anyone can read."""
