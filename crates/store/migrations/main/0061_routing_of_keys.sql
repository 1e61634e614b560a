-- What a key has in place of the settings of routing: a JSON object, `{}` where there is nothing.
ALTER TABLE keys ADD COLUMN routing TEXT NOT NULL DEFAULT '{}';
