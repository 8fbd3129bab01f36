-- log.lua: a page of a session's log, with the position that it belongs to, as of one instant.
-- KEYS   1 the partition's meta (hash)   2 the session (hash)   3 its log (stream)
-- ARGV   1 the position after which to read   2 how many entries at the most
-- Returns {epoch, alive, head, floor, entries as XRANGE gives them}

local epoch = redis.call('HGET', KEYS[1], 'epoch')
local head = redis.call('HMGET', KEYS[2], 'alive', 'seq', 'floor')
local after = string.format('%.0f', tonumber(ARGV[1]) + 1) .. '-0'
local entries = redis.call('XRANGE', KEYS[3], after, '+', 'COUNT', ARGV[2])
return {epoch, head[1], head[2] or '0', head[3] or '0', entries}
