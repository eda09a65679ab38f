"""The tools of agents, by the contract of `headwater.tools`, and the box that runs them within limits."""
