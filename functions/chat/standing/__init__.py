"""Standing questions: asked on a schedule or after changes, their answers delivered."""
