"""A bundle that is read from where it lies on another machine: over HTTPS, and from object stores."""
