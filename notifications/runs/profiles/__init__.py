"""How a run is told to clients that speak another protocol. Each profile is pure: events in, frames out."""
