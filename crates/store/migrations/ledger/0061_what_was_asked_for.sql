-- The model that was asked for, where another one served the request.
ALTER TABLE events ADD COLUMN requested_model TEXT;
