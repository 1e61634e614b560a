-- What runs is recorded beside the database now, in `run/`, so that a locked database hides no engine.
DROP TABLE replicas;
