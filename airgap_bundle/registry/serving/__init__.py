"""What makes the embedded registry a server: connections and threads, TLS, logins, its log and its metrics."""
