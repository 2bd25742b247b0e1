-- ARGV: kind, id. Returns the fields.
return row(ARGV[1], ARGV[2])
