"""What a run is told beside its conversation: texts and templates."""
