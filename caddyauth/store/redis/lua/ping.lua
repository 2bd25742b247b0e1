-- A replica that has lost its master would do this, too, but not a node that has
-- lost its slots, or a server that is loading.
call('EXISTS', prefix .. 'schema')
return 'ok'
