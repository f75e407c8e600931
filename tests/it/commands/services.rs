//! Servers that start, serve a client on loopback, and stop.
