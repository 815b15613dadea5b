"""Measure airssys beside what it stands on: same process, same time."""
