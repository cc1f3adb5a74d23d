"""The walls around a worker: what a student's program may reach of the machine that grades it."""
