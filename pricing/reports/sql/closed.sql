-- Up to where there are cells.
SELECT until FROM closed
